//go:build !amd64

package sha256x2

// Available tells whether this machine has the instructions.
const Available = false

func blocks(*State, *State, *byte, *byte, int) { panic("sha256x2: not available") }

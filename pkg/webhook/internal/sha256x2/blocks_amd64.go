package sha256x2

// Available tells whether this machine has the instructions.
var Available = available()

// available asks for SHA (leaf 7, EBX bit 29), SSSE3 (leaf 1, ECX bit 9) and SSE4.1 (leaf 1, ECX bit 19).
func available() bool {
	const shuffle, blend, sha = 1 << 9, 1 << 19, 1 << 29
	if most, _, _, _ := cpuid(0, 0); most < 7 {
		return false
	}
	_, _, features, _ := cpuid(1, 0)
	_, extended, _, _ := cpuid(7, 0)
	return features&(shuffle|blend) == shuffle|blend && extended&sha != 0
}

//go:noescape
func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

// blocks takes n blocks at p into a and n blocks at q into b.
//
//go:noescape
func blocks(a, b *State, p, q *byte, n int)

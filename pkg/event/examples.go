package event

import (
	"embed"
	"io/fs"
)

//go:embed testdata/examples/*.json
var exampleFiles embed.FS

// Examples returns example events, one JSON document a file, as the voice platform publishes them:
//
//	SessionStarted.json            0.4 KB
//	ConversationComplete.json        1 KB,   2 turns
//	ConversationComplete-40.json    30 KB,  40 turns
//	ConversationComplete-400.json  300 KB, 400 turns
//
// They hold speech in several scripts and directions, escapes, null fields and numbers that a
// float64 would change, so that whatever alters a payload on its way is seen.
func Examples() fs.FS {
	sub, err := fs.Sub(exampleFiles, "testdata/examples")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return sub
}

// Example returns the example event of a type, nil when there is none.
func Example(eventType string) []byte {
	b, err := exampleFiles.ReadFile("testdata/examples/" + eventType + ".json")
	if err != nil {
		return nil
	}
	return b
}

package event

import (
	"embed"
	"fmt"
)

//go:embed schemas/*.json
var schemaFiles embed.FS

// SchemaNames are what Schema knows.
func SchemaNames() []string { return []string{"event", "history", "notice"} }

// Schema returns the JSON Schema (draft 2020-12) of a format: "event" for the value of a source
// record, "history" for that of a history record (by its `record-type`, see $defs), "notice" for
// that of a notice.
func Schema(name string) ([]byte, error) {
	b, err := schemaFiles.ReadFile("schemas/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("no schema %q: there are %q", name, SchemaNames())
	}
	return b, nil
}

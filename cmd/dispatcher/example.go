package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/internal/catalogue"
	"github.com/voxagent/dispatcher/pkg/event"
)

// example makes events after a type's example.
type example struct {
	eventType string
	workspace string
	data      []byte
	session   []byte // as it stands in data, with quotes
}

// newExample finds the example by the type's name, or by the name of one of the embedded documents
// (ConversationComplete-400).
func newExample(name, workspace string) (*example, error) {
	x := &example{eventType: name, workspace: workspace}
	if doc := event.Example(name); doc != nil {
		var e struct {
			Event string          `json:"event"`
			Data  json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(doc, &e); err != nil {
			return nil, fmt.Errorf("example %s: %w", name, err)
		}
		x.eventType, x.data = e.Event, e.Data
	} else if t := catalogue.Default().Lookup(name); t != nil {
		x.data = t.Example
	}
	if x.data == nil {
		return nil, fmt.Errorf("--example: no example of %q; there are %q", name, catalogue.Default().Names())
	}
	var d struct {
		SessionID json.RawMessage `json:"session_id"`
	}
	if err := json.Unmarshal(x.data, &d); err != nil {
		return nil, fmt.Errorf("example %s: %w", name, err)
	}
	x.session = d.SessionID
	return x, nil
}

// event returns a new event of now.
func (x *example) event(now time.Time) []byte {
	data := x.data
	if len(x.session) > 0 {
		data = bytes.Replace(data, x.session, fmt.Appendf(nil, "%q", event.NewID("ses_", now)), 1)
	}
	return fmt.Appendf(nil, `{"id":%q,"event":%q,"workspace_id":%q,"timestamp":%q,"data":%s}`,
		event.NewID(event.PrefixEvent, now), x.eventType, x.workspace, event.FormatTime(now), data)
}

package event_test

import (
	"encoding/json"
	"io/fs"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

func exampleFile(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := fs.ReadFile(event.Examples(), name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

var benchMeta = event.Meta{Topic: "voxagent.conversation.events", Partition: 7, Offset: 123456, Time: time.UnixMilli(1795420800123)}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"SessionStarted", "ConversationComplete", "ConversationComplete-40", "ConversationComplete-400"} {
		value := exampleFile(b, name+".json")
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := event.Parse(value, benchMeta, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(value)))
			for b.Loop() {
				if !json.Valid(value) {
					b.Fatal("not valid")
				}
			}
		})
	}
}

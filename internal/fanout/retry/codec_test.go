package retry

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/event"
)

func record(d *fanout.Delivery) *fanout.Record {
	return &fanout.Record{Key: []byte(d.ID), Value: d.Event.Body, Headers: encode(d)}
}

func diff(want, got *fanout.Delivery) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(fanout.Delivery{}), cmpopts.EquateApproxTime(0))
}

// TestRecordKeepsDelivery: all that is needed to try again comes back, with and without each optional part.
func TestRecordKeepsDelivery(t *testing.T) {
	text := rapid.StringN(1, 20, 64)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return rapid.SampledFrom([]time.Time{{}, epoch, epoch.Add(12345678 * time.Millisecond)}).Draw(t, "time")
	})
	rapid.Check(t, func(t *rapid.T) {
		want := delivery("dlv_"+text.Draw(t, "id"), instant.Draw(t, "due"))
		want.Ref = fanout.Ref{WorkspaceID: text.Draw(t, "workspace"), WebhookID: text.Draw(t, "webhook")}
		want.Event.WorkspaceID = want.Ref.WorkspaceID
		want.Event.ID, want.Event.Type = text.Draw(t, "event id"), text.Draw(t, "event")
		want.Event.SessionID = rapid.String().Draw(t, "session")
		want.Event.Source = event.Source{
			Topic:     rapid.String().Draw(t, "topic"),
			Partition: rapid.IntRange(0, 1<<31-1).Draw(t, "partition"), Offset: rapid.Int64Min(0).Draw(t, "offset"),
		}
		want.Event.Body = rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "body")
		want.Epoch = rapid.Int64().Draw(t, "epoch")
		want.Chain, want.Attempt = rapid.IntRange(1, fanout.MaxChain).Draw(t, "chain"), rapid.IntRange(1, 1000).Draw(t, "attempt")
		want.Step, want.Parked = rapid.IntRange(0, 64).Draw(t, "step"), rapid.IntRange(0, 100).Draw(t, "parked")
		want.Single = rapid.Bool().Draw(t, "single")
		want.Trigger = event.Trigger(text.Draw(t, "trigger"))
		want.CreatedAt, want.Deadline = instant.Draw(t, "created"), instant.Draw(t, "deadline")

		rec := record(want)
		rec.Headers = append(rec.Headers, fanout.RecordHeader{Key: "of-tomorrow", Value: []byte{0xff}})
		got, err := decode(rec)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// TestBadRecords are told from faults of the moment: each error is ErrRecord.
func TestBadRecords(t *testing.T) {
	set := func(key, value string) func(*fanout.Record) {
		return func(r *fanout.Record) {
			r.Headers = slices.DeleteFunc(r.Headers, func(h fanout.RecordHeader) bool { return h.Key == key })
			if value != "-" {
				r.Headers = append(r.Headers, fanout.RecordHeader{Key: key, Value: []byte(value)})
			}
		}
	}
	for name, spoil := range map[string]func(*fanout.Record){
		"nothing":            func(r *fanout.Record) { *r = fanout.Record{} },
		"no key":             func(r *fanout.Record) { r.Key = nil },
		"no body":            func(r *fanout.Record) { r.Value = nil },
		"other version":      set(hVersion, "2"),
		"no version":         set(hVersion, "-"),
		"no webhook":         set(hWebhook, "-"),
		"no workspace":       set(hWorkspace, ""),
		"no event":           set(hEventID, "-"),
		"broken occurrence":  set(hOccurrence, "0123"),
		"no chain":           set(hChain, "-"),
		"chain 0":            set(hChain, "0"),
		"attempt 0":          set(hAttempt, "0"),
		"attempt in words":   set(hAttempt, "one"),
		"attempt too large":  set(hAttempt, "99999999999999999999"),
		"step below 0":       set(hStep, "-1"),
		"parked below 0":     set(hParked, "-1"),
		"due time in words":  set(hDue, "soon"),
		"deadline in words":  set(hDeadline, "late"),
		"partition in words": set(hPartition, "x"),
	} {
		rec := record(delivery("dlv_1", epoch))
		spoil(rec)
		if d, err := decode(rec); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}

// FuzzDecode: whatever stands on the ladder, decoding ends in a delivery that encodes to the same, or in ErrRecord.
func FuzzDecode(f *testing.F) {
	for _, h := range encode(delivery("dlv_1", epoch)) {
		f.Add("dlv_1", h.Key, string(h.Value), []byte("{}"))
	}
	f.Add("", hAttempt, "-9223372036854775808", []byte{})
	f.Add("k", hDue, "9223372036854775807", []byte{0})
	f.Fuzz(func(t *testing.T, key, header, value string, body []byte) {
		rec := record(delivery("dlv_1", epoch))
		rec.Key, rec.Value = []byte(key), body
		rec.Headers = slices.DeleteFunc(rec.Headers, func(h fanout.RecordHeader) bool { return h.Key == header })
		rec.Headers = append(rec.Headers, fanout.RecordHeader{Key: header, Value: []byte(value)})
		d, err := decode(rec)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatal(err)
			}
			return
		}
		again, err := decode(record(d))
		if err != nil {
			t.Fatalf("decoded once, then not: %v", err)
		}
		if d := diff(d, again); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	d := delivery("dlv_1", epoch)
	rec := record(d)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			encode(d)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(rec); err != nil {
				b.Fatal(err)
			}
		}
	})
}

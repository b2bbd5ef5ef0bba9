package event_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

// The ids of one record, written down: they stand in stores and in receivers' databases, so a
// change of how they are made would be a change of what exists.
func TestIDsStay(t *testing.T) {
	o := benchMeta.Occurrence("ws_acme")
	for name, pair := range map[string][2]string{
		"occurrence": {o.String(), "01M83PPH3VY1PW7BT4RSQP7FGM"},
		"event":      {benchMeta.EventID(), "evt_01M83PPH3VY1T97GBYQDKC6ZBW"},
		"delivery":   {o.DeliveryID("wh_1"), "dlv_01M83PPH3VZ4DZS8DQ4VC7FNHD"},
		"attempt":    {o.AttemptID("wh_1", 1, 1), "att_01M83PPH3VWGMXSAJGZ46ZGEZS"},
		"notice":     {event.NoticeID(event.NoticeWebhookFailing, benchMeta.Time, "ws_acme", "wh_1"), "ntc_01M83PPH3VWE3GYN65M9PSC9TQ"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s id is %s, was %s", name, pair[0], pair[1])
		}
	}
}

// Any difference in the inputs gives another id, also one that moves a byte from one text to its
// neighbour.
func TestIDsDiffer(t *testing.T) {
	m := func(topic string, partition int, offset int64, ms int64) event.Meta {
		return event.Meta{Topic: topic, Partition: partition, Offset: offset, Time: time.UnixMilli(ms)}
	}
	base := m("t", 1, 2, 3)
	o := base.Occurrence("w")
	ids := []string{
		o.String(), base.Occurrence("wt").String(), m("wt", 1, 2, 3).Occurrence("").String(), m("", 1, 2, 3).Occurrence("wt").String(),
		m("t", 2, 1, 3).Occurrence("w").String(), m("t", 1, 3, 3).Occurrence("w").String(), m("t", 1, 2, 4).Occurrence("w").String(),
		strings.TrimPrefix(base.EventID(), "evt_"), strings.TrimPrefix(m("t", 1, 2, 4).EventID(), "evt_"),
		o.DeliveryID("a")[4:], o.DeliveryID("b")[4:], o.DeliveryID("")[4:],
		o.AttemptID("a", 1, 1)[4:], o.AttemptID("a", 1, 2)[4:], o.AttemptID("a", 2, 1)[4:], o.AttemptID("b", 1, 1)[4:],
		event.NoticeID("x", base.Time, "a", "b")[4:], event.NoticeID("x", base.Time, "ab", "")[4:], event.NoticeID("y", base.Time, "a", "b")[4:],
	}
	slices.Sort(ids)
	if n := len(slices.Compact(slices.Clone(ids))); n != len(ids) {
		t.Errorf("%d different ids of %d: %q", n, len(ids), ids)
	}
}

func TestIDTime(t *testing.T) {
	at := time.UnixMilli(1795420800123).UTC()
	o := benchMeta.Occurrence("ws_acme")
	if !o.Time().Equal(at) {
		t.Errorf("Occurrence.Time %v, want %v", o.Time(), at)
	}
	for _, id := range []string{
		o.String(), benchMeta.EventID(), o.DeliveryID("w"), o.AttemptID("w", 1, 7), event.NewID("wh_", at), event.NewID("evt_test_", at), event.NewOccurrence(at).String(),
	} {
		if got, ok := event.IDTime(id); !ok || !got.Equal(at) {
			t.Errorf("%s: %v %v, want %v", id, got, ok, at)
		}
	}
	dlv := o.DeliveryID("w")
	for _, id := range []string{"", "dlv_", dlv[:29], dlv + "0", strings.ToLower(dlv), "dlv" + dlv[4:], "dlv_8" + dlv[5:], "dlv_I" + dlv[5:], dlv[:29] + "U", dlv[:29] + "é"} {
		if at, ok := event.IDTime(id); ok {
			t.Errorf("%q has the time %v", id, at)
		}
	}
}

func TestIDTimeBounds(t *testing.T) {
	for _, tc := range []struct{ in, want time.Time }{
		{time.UnixMilli(-1), time.UnixMilli(0)},
		{time.Time{}, time.UnixMilli(0)},
		{time.UnixMilli(0), time.UnixMilli(0)},
		{time.UnixMilli(1<<48 - 1), time.UnixMilli(1<<48 - 1)},
		{time.UnixMilli(1 << 48), time.UnixMilli(1<<48 - 1)},
		{time.UnixMilli(1795420800123).Add(999 * time.Microsecond), time.UnixMilli(1795420800123)},
	} {
		if got, ok := event.IDTime(event.NewID("x_", tc.in)); !ok || !got.Equal(tc.want) {
			t.Errorf("%v: %v %v, want %v", tc.in, got, ok, tc.want)
		}
	}
}

func TestIDsSortByTime(t *testing.T) {
	last := ""
	for ms := range int64(3000) {
		at := time.UnixMilli(1795420800123 + ms*ms)
		id := (event.Meta{Topic: "t", Offset: -ms, Time: at}).Occurrence("w").DeliveryID("h")
		if id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

func TestNewIDIsNew(t *testing.T) {
	at := time.UnixMilli(1795420800123)
	seen := map[string]bool{}
	for range 1000 {
		id := event.NewID(event.PrefixWebhook, at)
		if seen[id] || len(id) != len("wh_")+26 || !strings.HasPrefix(id, "wh_") {
			t.Fatalf("%s", id)
		}
		seen[id] = true
	}
}

func FuzzOccurrenceText(f *testing.F) {
	f.Add(benchMeta.Occurrence("w").String())
	f.Add("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := event.ParseOccurrence(s)
		if err == nil && o.String() != s {
			t.Fatalf("%q has a second spelling %q", s, o)
		}
	})
}

func TestOccurrenceText(t *testing.T) {
	o := benchMeta.Occurrence("w")
	text, err := o.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back event.Occurrence
	if err := back.UnmarshalText(text); err != nil || back != o || back.IsZero() {
		t.Errorf("%v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte("x")); err == nil || !back.IsZero() {
		t.Errorf("%v, %v", back, err)
	}
}

func BenchmarkIDs(b *testing.B) {
	o := benchMeta.Occurrence("ws_acme")
	b.Run("Occurrence", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchMeta.Occurrence("ws_acme")
		}
	})
	b.Run("DeliveryID", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.DeliveryID("wh_01KAQ3V8F2M5N7P9R1T3W5Y7Z9")
		}
	})
	b.Run("AttemptID", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o.AttemptID("wh_01KAQ3V8F2M5N7P9R1T3W5Y7Z9", 1, 3)
		}
	})
}

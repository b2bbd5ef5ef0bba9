package watermark

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// model is the tracker written the obvious way.
type model struct {
	base, next int64
	done, open map[int64]bool
	times      map[int64]time.Time
	parts      map[int64]map[uint64]bool
}

func newModel(base int64) *model {
	return &model{base: base, next: base, done: map[int64]bool{}, open: map[int64]bool{}, times: map[int64]time.Time{},
		parts: map[int64]map[uint64]bool{}}
}

func (m *model) advance() {
	for m.done[m.base] {
		delete(m.done, m.base)
		delete(m.parts, m.base)
		m.base++
	}
	m.next = max(m.next, m.base)
}

func (m *model) finish(o int64) {
	if o < m.base || o >= m.base+Window {
		return
	}
	delete(m.open, o)
	delete(m.parts, o)
	m.done[o] = true
	m.next = max(m.next, o+1)
	m.advance()
}

func (m *model) oldest() (time.Time, bool) {
	first := int64(-1)
	for o := range m.open {
		if first < 0 || o < first {
			first = o
		}
	}
	return m.times[first], first >= 0
}

func compare(t *rapid.T, tr *Tracker, m *model) {
	if tr.Base() != m.base || tr.Next() != m.next || tr.Open() != len(m.open) {
		t.Fatalf("base %d next %d open %d, want %d %d %d", tr.Base(), tr.Next(), tr.Open(), m.base, m.next, len(m.open))
	}
	got, ok := tr.Oldest()
	want, wantOK := m.oldest()
	if ok != wantOK || ok && !got.Equal(want) {
		t.Fatalf("oldest %v %v, want %v %v", got, ok, want, wantOK)
	}
}

func TestTrackerAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1<<40).Draw(t, "base")
		tr, m := New(base, 7), newModel(base)
		now := time.UnixMilli(1_700_000_000_000)
		offset := func() int64 {
			// Mostly near the front, sometimes at the edge of the window.
			span := rapid.SampledFrom([]int64{8, 200, Window + 10}).Draw(t, "span")
			return tr.Base() + rapid.Int64Range(-3, span).Draw(t, "offset")
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				o := offset()
				now = now.Add(time.Millisecond)
				want := o >= m.base && o < m.base+Window && !m.done[o] && !m.open[o]
				if tr.Take(o, now) != want {
					t.Fatalf("take %d: not %v", o, want)
				}
				if want {
					m.open[o], m.times[o], m.next = true, now, max(m.next, o+1)
				}
			},
			"done": func(*rapid.T) {
				o := offset()
				tr.Done(o)
				m.finish(o)
			},
			"release": func(*rapid.T) {
				o := offset()
				tr.Release(o)
				delete(m.open, o)
			},
			"skip": func(t *rapid.T) {
				from := offset()
				to := from + rapid.Int64Range(0, 40_000).Draw(t, "gap")
				if !tr.Room(from, to) {
					return
				}
				tr.Skip(from, to)
				if from <= m.base && to > m.base+Window {
					m.jump(to)
					return
				}
				for o := max(from, m.base); o < to; o++ {
					if !m.open[o] {
						m.done[o] = true
					}
				}
				if from < to {
					m.next = max(m.next, to)
				}
				m.advance()
			},
			"part": func(t *rapid.T) {
				o, key := offset(), rapid.Uint64().Draw(t, "key")
				tr.PartDone(o, key)
				if o >= m.base && o < m.base+Window && !m.done[o] {
					if m.parts[o] == nil {
						m.parts[o] = map[uint64]bool{}
					}
					m.parts[o][key&keyMask] = true
				}
				if tr.PartWasDone(o, key) != m.parts[o][key&keyMask] {
					t.Fatalf("part %d of %d", key, o)
				}
			},
			"crash": func(t *rapid.T) {
				at, metadata := tr.Committable()
				checkMetadata(t, metadata)
				if tr.LeftOut() > 0 {
					return
				}
				tr = New(at, 7)
				if !tr.Restore(at, metadata) || Tag(metadata) != 7 {
					t.Fatalf("metadata %q not restored", metadata)
				}
				m.crash()
			},
			"": func(t *rapid.T) { compare(t, tr, m) },
		})
	})
}

func (m *model) jump(to int64) {
	for o := range m.done {
		if o < to {
			delete(m.done, o)
		}
	}
	for o := range m.open {
		if o < to {
			delete(m.open, o)
		}
	}
	for o := range m.parts {
		if o < to {
			delete(m.parts, o)
		}
	}
	m.base = to
	m.next = max(m.next, to)
	m.advance()
}

// crash keeps what the metadata keeps.
func (m *model) crash() {
	clear(m.open)
	m.next = m.base
	for o := range m.done {
		m.next = max(m.next, o+1)
	}
}

type fataler interface{ Fatalf(string, ...any) }

func checkMetadata(t fataler, metadata string) {
	if len(metadata) > MaxMetadata || !utf8.ValidString(metadata) {
		t.Fatalf("metadata of %d bytes", len(metadata))
	}
}

func TestMetadataHoldsTheWorstWindow(t *testing.T) {
	for name, isDone := range map[string]func(o int64) bool{
		"alternating": func(o int64) bool { return o%2 == 1 },
		"random":      func(o int64) bool { return o > 0 && rand.IntN(2) == 0 },
		"one open":    func(o int64) bool { return o > 0 },
		"two open":    func(o int64) bool { return o != 0 && o != 12_345 },
	} {
		t.Run(name, func(t *testing.T) {
			tr := New(1000, 0)
			var want []int64
			for o := range int64(Window) {
				tr.Take(1000+o, time.UnixMilli(o))
			}
			for o := range int64(Window) {
				if isDone(o) {
					tr.Done(1000 + o)
					want = append(want, o)
				}
			}
			for o := int64(0); o < Window; o += 2 {
				tr.PartDone(1000+o, rand.Uint64())
			}
			at, metadata := tr.Committable()
			checkMetadata(t, metadata)
			if at != 1000 {
				t.Fatalf("committable %d", at)
			}
			s, ok := decode(metadata)
			if !ok || !slices.Equal(s.done, want) {
				t.Fatalf("%d done offsets restored, want %d", len(s.done), len(want))
			}
			if name == "two open" && len(metadata) > MaxMetadata {
				t.Fatalf("%d bytes", len(metadata))
			}
			if tr.Fill() < 1 {
				t.Fatalf("a full window has fill %f", tr.Fill())
			}
		})
	}
}

func TestRunsAreShortForOneStraggler(t *testing.T) {
	tr := New(0, 0)
	for o := range int64(20_000) {
		tr.Take(o, time.UnixMilli(0))
		if o > 0 {
			tr.Done(o)
		}
	}
	if _, metadata := tr.Committable(); len(metadata) > 20 {
		t.Errorf("one straggler takes %d bytes", len(metadata))
	}
}

func TestPartKeysAreLeftOutNewestFirst(t *testing.T) {
	tr := New(0, 0)
	for o := range int64(100) {
		tr.Take(o, time.UnixMilli(0))
		for k := range uint64(20) {
			tr.PartDone(o, k<<20|uint64(o))
		}
	}
	_, metadata := tr.Committable()
	checkMetadata(t, metadata)
	if tr.LeftOut() == 0 || tr.Fill() < 1 {
		t.Fatalf("left out %d, fill %f", tr.LeftOut(), tr.Fill())
	}
	next := New(0, 0)
	next.Restore(0, metadata)
	if !next.PartWasDone(0, 5<<20) || next.PartWasDone(99, 5<<20|99) {
		t.Fatal("the oldest record's parts must be kept and the newest's left out")
	}
}

func TestForeignMetadataIsIgnored(t *testing.T) {
	good := New(5, 1)
	good.Take(5, time.UnixMilli(0))
	good.Done(7)
	_, metadata := good.Committable()
	for name, text := range map[string]string{
		"words":        "committed by hand",
		"base64":       base64.RawStdEncoding.EncodeToString([]byte("something else")),
		"other format": base64.RawStdEncoding.EncodeToString([]byte{2, 0, 0, 0, 0, 0, 0}),
		"cut":          metadata[:len(metadata)-2],
		"too long":     string(make([]byte, MaxMetadata+1)),
	} {
		tr := New(0, 0)
		if tr.Restore(5, text) {
			t.Errorf("%s: taken for ours", name)
		}
		if tr.Base() != 5 || tr.Next() != 5 || Tag(text) != 0 {
			t.Errorf("%s: base %d next %d", name, tr.Base(), tr.Next())
		}
	}
}

func TestRestoreKeepsWhatIsKnown(t *testing.T) {
	tr := New(10, 0)
	for o := int64(10); o < 20; o++ {
		tr.Take(o, time.UnixMilli(o))
	}
	tr.Done(15)
	other := New(12, 0)
	other.Done(14)
	at, metadata := other.Committable()
	tr.Restore(at, metadata)
	if tr.Base() != 12 || tr.Take(14, time.UnixMilli(0)) || tr.Take(15, time.UnixMilli(0)) || tr.Open() != 6 {
		t.Fatalf("base %d, open %d", tr.Base(), tr.Open())
	}
}

func FuzzRestore(f *testing.F) {
	tr := New(0, 9)
	for o := range int64(300) {
		tr.Take(o, time.UnixMilli(0))
		if o%3 == 1 {
			tr.Done(o)
		}
		tr.PartDone(o, uint64(o)*77)
	}
	_, metadata := tr.Committable()
	f.Add(metadata)
	f.Add("")
	f.Add("AQAAAAAAAA")
	f.Fuzz(func(t *testing.T, metadata string) {
		tr := New(100, 0)
		if !tr.Restore(100, metadata) && tr.Version() != 0 {
			t.Fatal("metadata that is refused must change nothing")
		}
		if tr.Base() < 100 || tr.Base() > 100+Window || tr.Next() > 100+Window {
			t.Fatalf("base %d next %d", tr.Base(), tr.Next())
		}
		_, again := tr.Committable()
		checkMetadata(t, again)
	})
}

func BenchmarkTakeDone(b *testing.B) {
	tr := New(0, 0)
	now := time.Now()
	o := int64(0)
	for b.Loop() {
		tr.Take(o, now)
		tr.Done(o)
		o++
	}
}

func BenchmarkCommittable(b *testing.B) {
	tr := New(0, 0)
	for o := range int64(Window) {
		tr.Take(o, time.UnixMilli(0))
		if o > 0 && rand.IntN(3) > 0 {
			tr.Done(o)
		}
	}
	for b.Loop() {
		tr.Committable()
	}
}

package dashboard

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	mark := func(code string) string {
		return `<i class="ctl" title="a character that is not shown">U+` + code + `</i>`
	}
	for in, want := range map[string]string{
		"plain":         "plain",
		"<b>&\"'":       "&lt;b&gt;&amp;&#34;&#39;",
		"a\u202eb":      "a" + mark("202E") + "b",
		"\u0000\u007f":  mark("0000") + mark("007F"),
		"\u2066x\u2069": mark("2066") + "x" + mark("2069"),
		"\ufeff\u200b":  mark("FEFF") + mark("200B"),
		"\u2028":        mark("2028"),
		"\U000e0041":    mark("E0041"),
		"tab\there":     "tab\there",
		"\xff\xfe":      "\ufffd\ufffd",
		"a\ufffdb":      "a\ufffdb",
		"नमस्ते می\u200cخواهم": "नमस्ते می\u200cخواهم",
		"👩\u200d💻": "👩\u200d💻",
	} {
		if got := string(visible(in)); got != want {
			t.Errorf("visible(%q) = %q, want %q", in, got, want)
		}
	}
}

var markup = regexp.MustCompile(`<i class="ctl" title="a character that is not shown">U\+[0-9A-F]+</i>`)

// FuzzVisible: whatever comes in, the only markup that comes out is the mark.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{"", "</i><script>", "\xe2\x80", "\u202e<", "a&lt;b", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := string(visible(s))
		rest := markup.ReplaceAllString(out, "")
		if strings.ContainsAny(rest, "<>\"'") || !utf8.ValidString(out) || strings.ContainsFunc(rest, hidden) {
			t.Errorf("visible(%q) = %q", s, out)
		}
		if !strings.ContainsFunc(s, hidden) && html.UnescapeString(out) != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("visible(%q) = %q loses text", s, out)
		}
		if p := plain(s); strings.ContainsFunc(p, hidden) || !utf8.ValidString(p) {
			t.Errorf("plain(%q) = %q", s, p)
		}
	})
}

func TestNewBody(t *testing.T) {
	b := newBody([]byte(`{"n":1.10,"s":"\u00e9"}`), true)
	if len(b.Lines) != 4 || string(b.Lines[1]) != `  &#34;n&#34;: 1.10,` || !strings.Contains(string(b.Lines[2]), `\u00e9`) || !b.Pretty {
		t.Errorf("pretty %q", b.Lines)
	}
	if b := newBody([]byte("one\r\ntwo\n"), true); len(b.Lines) != 2 || b.Lines[0] != "one" || b.JSON {
		t.Errorf("text %q", b.Lines)
	}
	if b := newBody(nil, true); !b.Empty || len(b.Lines) != 0 {
		t.Errorf("empty %+v", b)
	}
	large := newBody(bytes.Repeat([]byte("é"), foldAt), false)
	if !large.Folded || large.Size != 2*foldAt || strings.ContainsRune(string(large.Lines[0]), utf8.RuneError) || len(large.Lines[0]) != foldAt {
		t.Errorf("large: folded %v, size %d", large.Folded, large.Size)
	}
	if odd := newBody(append([]byte("x"), bytes.Repeat([]byte("é"), foldAt)...), false); strings.ContainsRune(string(odd.Lines[0]), utf8.RuneError) {
		t.Error("a character was cut in two")
	}
}

func TestPreview(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"  a \n\n b\t":         "a b",
		"abcdefghij":           "abcdefgh…",
		"\u202ea\x00b":         "a b",
		"caf\xc3":              "caf",
		strings.Repeat("é", 8): strings.Repeat("é", 8),
		"12345678":             "12345678",
		"1234567 9":            "1234567 9",
		"<script>alert(1)":     "<script>…",
	} {
		if got := preview([]byte(in), 8); got != want {
			t.Errorf("preview(%q) = %q, want %q", in, got, want)
		}
	}
}

package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"
)

// foldAt is how much of a body a page shows; the rest is a download away.
const foldAt = 100 << 10

// body is a payload or response, ready to be shown.
type body struct {
	Lines  []template.HTML
	JSON   bool // it is JSON: there is a pretty and a raw view
	Pretty bool // the lines are the pretty view
	Size   int  // bytes in all
	Folded bool // Lines is only the beginning
	Empty  bool
}

// newBody cuts b into numbered lines. With pretty, JSON is indented (numbers, escapes and key order stay as they are);
// everything else is shown as it is.
func newBody(b []byte, pretty bool) body {
	v := body{Size: len(b), JSON: json.Valid(b), Empty: len(b) == 0}
	if v.JSON && pretty {
		var out bytes.Buffer
		if json.Indent(&out, b, "", "  ") == nil {
			b, v.Pretty = out.Bytes(), true
		}
	}
	if len(b) > foldAt {
		n := foldAt
		for n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b, v.Folded = b[:n], true
	}
	for line := range bytes.Lines(b) {
		v.Lines = append(v.Lines, visible(string(bytes.TrimRight(line, "\r\n"))))
	}
	return v
}

// visible escapes s for HTML and shows what a browser would hide or obey: control characters, characters that turn the
// direction of text around, and such that have no width. Each becomes its code point in a mark of its own. The joiners
// that some scripts and emoji are written with stay.
func visible(s string) template.HTML {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	from := 0
	for i, r := range s {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				size = 1
				b.WriteString(html.EscapeString(s[from:i]))
				b.WriteRune(utf8.RuneError)
				from = i + size
			}
			continue
		}
		if !hidden(r) {
			continue
		}
		b.WriteString(html.EscapeString(s[from:i]))
		fmt.Fprintf(&b, `<i class="ctl" title="a character that is not shown">U+%04X</i>`, r)
		from = i + size
	}
	b.WriteString(html.EscapeString(s[from:]))
	return template.HTML(b.String()) //nolint:gosec // every byte of s went through EscapeString.
}

// plain is s with a mark in place of each character that visible marks, for places that take no markup: titles,
// attributes, sentences.
func plain(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "[U+%04X]", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden says whether a character would be invisible or change how its neighbours are shown. Tabs stay tabs.
func hidden(r rune) bool {
	if r == '\t' || r == '\u200c' || r == '\u200d' {
		return false
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) ||
		r == '\u2028' || r == '\u2029' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
}

// preview is the beginning of a body on one line, at most n characters.
func preview(b []byte, n int) string {
	var out strings.Builder
	space := false
	count := 0
	for _, r := range string(bytes.ToValidUTF8(b, nil)) {
		if unicode.IsSpace(r) || hidden(r) {
			space = out.Len() > 0
			continue
		}
		if count++; count > n {
			out.WriteRune('…')
			break
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		out.WriteRune(r)
	}
	return out.String()
}

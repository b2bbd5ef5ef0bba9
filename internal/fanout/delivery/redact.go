package delivery

import (
	"net/url"
	"strings"
)

// hidden stands in records where a secret stood in the request.
const hidden = "***"

// recordedURL returns u as history may show it: without userinfo and fragment, and without what may be a credential in
// the query: its values, and words without a name.
func recordedURL(u *url.URL) string {
	var b strings.Builder
	path := u.EscapedPath()
	b.Grow(len(u.Scheme) + len("://") + len(u.Host) + len(path) + len(u.RawQuery) + 8)
	b.WriteString(u.Scheme)
	b.WriteString("://")
	b.WriteString(u.Host)
	b.WriteString(path)
	if u.RawQuery == "" {
		return b.String()
	}
	sep := byte('?')
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		b.WriteByte(sep)
		sep = '&'
		if name, _, named := strings.Cut(pair, "="); named {
			b.WriteString(name)
			b.WriteByte('=')
		}
		b.WriteString(hidden)
	}
	return b.String()
}

package delivery

import (
	"net/url"
	"strings"

	"github.com/voxagent/dispatcher/internal/fanout"
)

// hidden stands in records where a secret stood in the request.
const hidden = "***"

// recordedURL returns u as history may show it: without userinfo and fragment, and without what may be a credential in
// the query.
func recordedURL(u *url.URL) string {
	var b strings.Builder
	path := u.EscapedPath()
	b.Grow(len(u.Scheme) + len("://") + len(u.Host) + len(path) + len(u.RawQuery) + 8)
	b.WriteString(u.Scheme)
	b.WriteString("://")
	b.WriteString(u.Host)
	b.WriteString(path)
	fanout.WriteQuery(&b, u.RawQuery)
	return b.String()
}

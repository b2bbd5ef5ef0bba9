package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/voxagent/dispatcher/internal/api/apitest"
)

// rolls makes pieces of calls.
type rolls struct{ *rand.Rand }

func (r rolls) of(list ...string) string { return list[r.IntN(len(list))] }

// oneIn is true once in n times.
func (r rolls) oneIn(n int) bool { return r.IntN(n) == 0 }

// roll makes a call: of a documented operation, mostly.
func (l *lab) roll(r rolls) random {
	d := l.calls[r.IntN(len(l.calls))]
	c := random{Key: l.keys["ws_a"], Method: d.method, Body: l.bodies[d.id]}
	workspace, owner := "ws_a", "ws_a"
	if r.oneIn(5) {
		workspace = r.of("ws_b", "ws_B", "ws_none", "", "..", "%00", "ws_a%2F..%2Fws_b", "ws_b%00", "%F0%9F%92%A9", strings.Repeat("w", 65))
	}
	if r.oneIn(4) {
		owner = "ws_b"
	}
	id := r.of(l.ids[owner]...)
	if strings.Contains(d.path, "webhooks/{id}") && !r.oneIn(4) {
		id = l.ids[owner][0]
	}
	if r.oneIn(10) {
		id = r.of("wh_none", "..", "%2E%2E", "a%2Fb", "%00", "%ff", "'", `"`, "a'OR'1'='1", "-1", strings.Repeat("x", 129), id+"%20", strings.ToLower(id))
	}
	c.Target = strings.NewReplacer("{workspace_id}", workspace, "{id}", id).Replace(d.path)
	if len(d.query) > 0 && !r.oneIn(3) || r.oneIn(20) {
		c.Target += "?" + l.rollQuery(r, d.query)
	}
	if r.oneIn(3) && !strings.Contains(c.Target, "ws_b") {
		c.Key = apitest.OperatorKey
	}
	if r.oneIn(30) {
		c.Method = r.of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
	}
	if c.Body != "" || r.oneIn(20) {
		c.Body = r.body(c.Body)
	}
	if r.oneIn(4) {
		c.Header = r.header()
	}
	return c
}

func (l *lab) rollQuery(r rolls, names []string) string {
	var parts []string
	for range 1 + r.IntN(3) {
		name := r.of("limit", "cursor", "color", "Limit", "", "limit[]")
		if len(names) > 0 && !r.oneIn(10) {
			name = r.of(names...)
		}
		value := r.of("", "1", "250", "251", "-1", "0x10", "1e3", "9223372036854775808", "\x00", "\xff", "'", "--", "failed", "succeeded", "500", "5xx", "9xx",
			"2026-11-23T08:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2026-02-30T00:00:00Z", "-0001-01-01T00:00:00Z", "1h", "0s", "1000000h",
			strings.Repeat("x", 2000), "💩", "*", "timeout", "retry", "SessionStarted", r.of(l.ids["ws_a"]...), r.of(l.ids["ws_b"]...))
		if name == "cursor" {
			value = r.of(value, r.of(l.lists...), r.of(l.lists...), r.mangle(r.of(l.lists...)))
		}
		part := url.QueryEscape(name) + "=" + url.QueryEscape(value)
		if r.oneIn(20) {
			part = r.of(name+"=%zz", name+"=%", name+";x=1", name, "&&", "="+value, "%00=1")
		}
		parts = append(parts, part)
	}
	query := strings.Join(parts, "&")
	if r.oneIn(50) {
		query = strings.Repeat(query+"&", 60)
	}
	return query
}

func (r rolls) header() [2]string {
	switch r.IntN(6) {
	case 0:
		return [2]string{"If-Match", r.of(`"1"`, `W/"1"`, "*", `"`, ",", `"1","2"`, "\xff", strings.Repeat(`"1",`, 1000), "9999999999999999999999")}
	case 1:
		return [2]string{"Idempotency-Key", r.of("k", "k2", "", strings.Repeat("k", 256), "\xff", "ä", "'", " ")}
	case 2:
		return [2]string{"Content-Type", r.of("application/merge-patch+json", "text/plain", "application/json; charset=x", ";", "", "application/cbor", strings.Repeat("a/", 500), "multipart/form-data")}
	case 3:
		return [2]string{"Accept", r.of("text/html", "application/cbor", "*/*;q=0", ";", strings.Repeat("a/b,", 500))}
	case 4:
		return [2]string{"Voxagent-Actor", r.of("dana", "\xff\x00", strings.Repeat("x", 5000), "💩")}
	default:
		return [2]string{"Authorization", r.of("", "Bearer", "Bearer x", "Basic eA==", "Bearer key_", "Bearer \xff", "Bearer "+strings.Repeat("x", 5000))}
	}
}

// body breaks a body, twice out of three times.
func (r rolls) body(valid string) string {
	switch r.IntN(9) {
	case 0, 1, 2:
		return valid
	case 3:
		return r.mangle(valid)
	case 4:
		return r.of("", " ", "null", "[]", "5", `"x"`, "{", "{}}", "\xef\xbb\xbf{}", strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 5000), `{"a":1e999}`, `{"":{}}`)
	case 5: // a property twice, or one more
		return strings.Replace(valid, "{", fmt.Sprintf("{%q:%s,", r.of("url", "Url", "name", "event", "suspended", "color", "headers", "ſecret", strings.Repeat("k", 3000)), r.value()), 1)
	default: // another value for a property
		at := strings.IndexByte(valid, ':')
		for range r.IntN(4) {
			if next := strings.IndexByte(valid[at+1:], ':'); next >= 0 {
				at += 1 + next
			}
		}
		end := at + 1 + strings.IndexAny(valid[at+1:], ",}")
		if at < 0 || end <= at {
			return valid
		}
		return valid[:at+1] + r.value() + valid[end:]
	}
}

// value is any JSON, and what is nearly that.
func (r rolls) value() string {
	return r.of("null", "true", "5", "-1", "0", "1.5", "60.0", "1e3", "1e999", "-0", "9223372036854775808", "1e-400", `""`, `"x"`, `"*"`, `[]`, `["*"]`, `[null]`, `[[[]]]`,
		`{}`, `{"X-A":"b"}`, `{"X-A":{"b":null}}`, `{"Host":"b"}`, `"\u0000"`, `"\ud800"`, "\"\xff\"", `"💩"`, `"`+strings.Repeat("é", 3000)+`"`, `"a\nb"`, `NaN`, `'x'`, `"2020-01-01T00:00:00Z"`,
		`"https://user:pw@a.example"`, `"http://127.0.0.1"`, `"https://a.example/#f"`, `"https://ä.example/ö?ü"`, `"https://a.example:99999"`, `["SessionStarted","Nope"]`,
		`[`+strings.Repeat(`"*",`, 200)+`"*"]`, `["read","admin"]`, `"event == 'x' && data.n > 1.5"`, `"data.a.b.c("`, `"data.map(x, x)"`, `"\u0000 == 1"`, `"`+strings.Repeat("!", 3000)+`true"`, `"`+strings.Repeat("(", 2000)+`"`,
		`"[1,2,3].exists(x, [1].exists(y, x == y))"`, `"'a'.matches('(a+)+$')"`, `"é"`, `"wh_x"`, `"0123456789abcdef"`, strings.Repeat("[", 40)+strings.Repeat("]", 40))
}

// mangle changes a few bytes.
func (r rolls) mangle(s string) string {
	b := []byte(s)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return string(b)
		}
		at := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[at] = byte(r.IntN(256))
		case 1:
			b = append(b[:at], b[at+1:]...)
		case 2:
			b = append(b[:at:at], append([]byte{byte(r.IntN(256))}, b[at:]...)...)
		default:
			b = b[:at]
		}
	}
	return string(b)
}

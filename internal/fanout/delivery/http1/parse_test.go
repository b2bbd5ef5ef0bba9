package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// parsed is an answer as a client sees it.
type parsed struct {
	status int // 0: there was none
	header http.Header
	body   []byte
}

// parse runs an answer through everything behind the connection, in pieces of at most step bytes.
func parse(data []byte, step int) (parsed, error) {
	s := &scratch{in: make([]byte, startRead), src: &script{data: data, step: step}}
	budget := 64 << 10
	for {
		head, err := s.readHead(budget)
		if err != nil {
			return parsed{}, err
		}
		budget -= len(head)
		line, fields, err := split(head)
		if err != nil {
			return parsed{}, err
		}
		if line.code < 200 && line.code != http.StatusSwitchingProtocols {
			if err := checkFields(fields); err != nil {
				return parsed{}, err
			}
			continue
		}
		req, _ := http.NewRequest(http.MethodPost, "http://h/", nil)
		p := &plain{req: req, fields: http.Header{}}
		full := &answer{scratch: s, conn: &conn{}}
		if err := full.begin(req, p, line, fields); err != nil {
			return parsed{}, err
		}
		body, err := io.ReadAll(full.Body)
		return parsed{full.StatusCode, p.fields, body}, err
	}
}

// FuzzAnswer holds the parser against net/http's. Whatever both take, they read alike; whatever net/http takes and this
// package does not must be an answer that is known to be refused on purpose.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 200 OK\n\nall",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n",
	} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		ours, err := parse(data, step)
		if err != nil {
			return
		}
		theirs, err := parseTheirs(data)
		if theirs.status == 0 {
			return // stricter than we are: harmless, since the status decides
		}
		if ours.status != theirs.status {
			t.Fatalf("status %d, net/http says %d", ours.status, theirs.status)
		}
		if err == nil && theirs.status != http.StatusSwitchingProtocols && !bytes.Equal(ours.body, theirs.body) {
			t.Fatalf("body %q, net/http says %q", ours.body, theirs.body)
		}
	})
}

// parseTheirs is parse by net/http. With a status, an error is the body's.
func parseTheirs(data []byte) (parsed, error) {
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
		if err != nil {
			return parsed{}, err
		}
		body, err := io.ReadAll(resp.Body) // of 1xx: nothing
		resp.Body.Close()
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return parsed{resp.StatusCode, resp.Header, body}, err
		}
	}
}

// However an answer is cut into packets, it is read alike.
func TestPacketsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.StringMatching(`[a-z]{0,40}`).Draw(t, "body")
		head := "HTTP/1.1 200 OK\r\nX-A: " + rapid.StringMatching(`[a-z ]{0,30}[a-z]`).Draw(t, "value") + "\r\n"
		answer := head + "Content-Length: " + itoa(len(body)) + "\r\n\r\n" + body
		if rapid.Bool().Draw(t, "chunked") {
			answer = head + "Transfer-Encoding: chunked\r\n\r\n"
			for rest := body; rest != ""; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
				answer += strings.ToUpper(hex(n)) + ";ext=1\r\n" + rest[:n] + "\r\n"
				rest = rest[n:]
			}
			answer += "0\r\nTrailer: x\r\n\r\n"
		}
		got, err := parse([]byte(answer), rapid.IntRange(1, 20).Draw(t, "packet"))
		if err != nil || string(got.body) != body || len(got.header) != 2 {
			t.Fatalf("%q: %v, %q, %v", answer, err, got.body, got.header)
		}
	})
}

// A head is taken up to its limit and not beyond, however it comes.
func TestHeadLimit(t *testing.T) {
	for size, want := range map[int]bool{60 << 10: true, 64<<10 - 1: true, 64<<10 + 1: false, 200 << 10: false} {
		fixed := len("HTTP/1.1 200 OK\r\nA: \r\n\r\n")
		answer := "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", size-fixed) + "\r\n\r\n"
		for _, step := range []int{1 << 10, 1 << 20} {
			_, err := parse([]byte(answer), step)
			if (err == nil) != want {
				t.Errorf("%d bytes in packets of %d: %v", size, step, err)
			}
			if _, ok := errors.AsType[*ProtocolError](err); err != nil && !ok {
				t.Errorf("error is a %T", err)
			}
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	for name, answer := range map[string]string{
		"short":              "Content-Length: 5\r\n\r\nabc",
		"chunk without end":  "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"no last chunk":      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"no trailer end":     "Transfer-Encoding: chunked\r\n\r\n0\r\n",
		"chunk too long":     "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
		"size not hex":       "Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
		"size negative":      "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
		"size signed":        "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
		"size empty":         "Transfer-Encoding: chunked\r\n\r\n\r\n",
		"size huge":          "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		"size line too long": "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 5<<10) + "\r\na\r\n0\r\n\r\n",
		"trailers endless":   "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n",
	} {
		got, err := parse([]byte("HTTP/1.1 200 OK\r\n"+answer), 100)
		if err == nil || got.status != http.StatusOK {
			t.Errorf("%s: %v, want the status and an error of the body", name, err)
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/voxagent/dispatcher/internal/ops"
)

// errNoSecret marks a request that could not be checked.
var errNoSecret = errors.New("no secret given")

type listenCmd struct {
	Addr      string        `default:"127.0.0.1:9000" help:"Where to listen."`
	Secret    []secret      `secret:"" help:"The webhook's secret; two with a comma while it is rotated."`
	Status    int           `default:"200" help:"Status to answer."`
	Delay     time.Duration `help:"How long to wait before answering."`
	ForwardTo string        `placeholder:"URL" help:"Send each request on to this URL and answer as it does."`
	Quiet     bool          `help:"Print one line a request, without its body."`
}

// Validate is called by kong.
func (c *listenCmd) Validate() error {
	if c.Status < 100 || c.Status > 599 {
		return fmt.Errorf("--status: %d is not an HTTP status", c.Status)
	}
	return nil
}

func (c *listenCmd) Run(ctx context.Context, s streams) error {
	l, err := listen(ctx, "--addr", c.Addr)
	if err != nil {
		return err
	}
	r := &receiver{
		status: c.Status, delay: c.Delay, forward: c.ForwardTo, do: developerClient().Do,
		report: func(got received) { c.print(s.out, got) },
	}
	for _, sec := range c.Secret {
		r.secrets = append(r.secrets, string(sec))
	}
	_, _ = fmt.Fprintf(s.err, "listening on http://%s\n", l.Addr())
	return ops.Serve(ctx, l, r, time.Second)
}

// print writes one request: a line, then the body.
func (c *listenCmd) print(w io.Writer, got received) {
	verdict := "verified"
	switch {
	case errors.Is(got.Verified, errNoSecret):
		verdict = "unchecked (no --secret)"
	case got.Verified != nil:
		verdict = "REFUSED: " + got.Verified.Error()
	}
	h := got.Header
	_, _ = fmt.Fprintf(w, "%s %s %s attempt %s: %d bytes, %s\n", time.Now().Format(time.TimeOnly),
		h.Get("X-Voxagent-Event"), h.Get("X-Voxagent-Delivery"), h.Get("X-Voxagent-Attempt"), len(got.Body), verdict)
	if !c.Quiet {
		_, _ = fmt.Fprintln(w, showable(got.Body))
	}
}

// showable is body as a terminal may have it: as it stands, or quoted where it holds what a terminal would obey.
func showable(body []byte) string {
	text := string(body)
	harmless := func(r rune) bool { return unicode.IsPrint(r) || r == '\n' || r == '\t' }
	if !utf8.Valid(body) || strings.ContainsFunc(text, func(r rune) bool { return !harmless(r) }) {
		return strconv.Quote(text)
	}
	return text
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
)

type validateCmd struct {
	File          string `arg:"" optional:"" help:"File with events, one a line or whole documents; - for standard input."`
	MaxEventBytes int    `default:"1048576" help:"Largest event, in bytes."`
}

func (c *validateCmd) Run(s streams) error {
	in, err := openInput(c.File, s.in)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	var good, bad int
	for doc, err := range documents(in) {
		if err != nil {
			return err
		}
		if _, err := checkDocument(doc, c.MaxEventBytes); err != nil {
			_, _ = fmt.Fprintln(s.err, err)
			bad++
			continue
		}
		good++
	}
	_, _ = fmt.Fprintf(s.out, "%d valid, %d refused\n", good, bad)
	if bad > 0 {
		return fmt.Errorf("%d of %d events are not valid", bad, good+bad)
	}
	return nil
}

// checkDocument parses a document as the dispatcher will and says on which line it stands if it is not an event.
func checkDocument(doc document, maxBytes int) (event.Event, error) {
	e, err := event.Parse(doc.value, event.Meta{Time: time.Now()}, maxBytes)
	if invalid, ok := errors.AsType[*event.Invalid](err); ok {
		return e, fmt.Errorf("line %d: %s: %s", doc.line, invalid.Reason, invalid.Detail)
	}
	return e, err
}

type schemaCmd struct {
	Format string `arg:"" enum:"event,history,notice" help:"event, history or notice."`
}

func (c *schemaCmd) Run(s streams) error {
	schema, err := event.Schema(c.Format)
	if err != nil {
		return err
	}
	_, err = s.out.Write(schema)
	return err
}

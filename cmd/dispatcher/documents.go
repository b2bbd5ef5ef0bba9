package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// document is one JSON value of an input, with the line on which it begins (from 1).
type document struct {
	line  int
	value []byte
}

// openInput opens FILE, or standard input for "-" and "".
func openInput(path string, stdin io.Reader) (io.ReadCloser, error) {
	if path == "" || path == "-" {
		return io.NopCloser(stdin), nil
	}
	return os.Open(path)
}

// documents splits an input into JSON values: one a line, or documents over several lines. A line that is broken is a
// document of its own, so that the lines after it still count: a document that is open at the end of a line is given up
// where the next one begins in the first column with a brace.
func documents(r io.Reader) iter.Seq2[document, error] {
	return func(yield func(document, error) bool) {
		in := bufio.NewReaderSize(r, 1<<20)
		var cur document
		var depth nesting
		emit := func() bool {
			value := bytes.TrimSpace(cur.value)
			line := cur.line
			cur, depth = document{}, nesting{}
			return len(value) == 0 || yield(document{line, value}, nil)
		}
		for number := 1; ; number++ {
			line, err := in.ReadBytes('\n')
			if len(cur.value) > 0 && len(line) > 0 && line[0] == '{' && !emit() {
				return
			}
			if len(cur.value) == 0 {
				cur.line = number
			}
			cur.value = append(cur.value, line...)
			if depth.scan(line); depth.closed() && !emit() {
				return
			}
			if errors.Is(err, io.EOF) {
				emit()
				return
			}
			if err != nil {
				yield(document{}, fmt.Errorf("line %d: %w", number, err))
				return
			}
		}
	}
}

// nesting follows the brackets of a JSON text, as far as is needed to see where a value ends.
type nesting struct {
	depth             int
	inString, escaped bool
}

func (n *nesting) scan(b []byte) {
	for _, c := range b {
		switch {
		case n.escaped:
			n.escaped = false
		case n.inString:
			n.escaped = c == '\\'
			n.inString = c != '"'
		case c == '"':
			n.inString = true
		case c == '{' || c == '[':
			n.depth++
		case c == '}' || c == ']':
			n.depth--
		}
	}
	// A JSON string never goes over a line's end: one that does is broken, and what follows is outside of it.
	n.inString, n.escaped = false, false
}

func (n *nesting) closed() bool { return n.depth <= 0 }

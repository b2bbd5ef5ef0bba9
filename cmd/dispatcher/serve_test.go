package main

import (
	"bytes"
	"encoding/json"
	"log"
	"testing"
)

// TestStandardLog: what libraries print is one line of JSON each, whatever is in it.
func TestStandardLog(t *testing.T) {
	var out bytes.Buffer
	restore := takeStandardLog(newLogger(streams{err: &out}, "info"))
	log.Print("Unsolicited response: \"x\"\r\n{\"level\":\"info\"}\x1b[31m")
	restore()
	var line struct{ Level, Logger, Msg string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%q: %v", out.String(), err)
	}
	if line.Level != "warn" || line.Logger != "go" || bytes.ContainsAny(out.Bytes(), "\x1b\r") || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%q", out.String())
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// complaints are the lines of a dispatcher's log that say that its commits did not get through: what it did then may be
// repeated, as if it had been killed, although nobody broke anything. On an idle machine there are none.
var complaints = []string{
	"commit failed, trying again", "commit of partitions failed, trying again",
	"kafka coordinator out of reach for a session timeout", "records still open at the end of the drain",
}

// complaintReach is how long before and after its line a complaint counts: a commit may have been waiting for 5 s, a
// session ends after 6.
const complaintReach = 8 * time.Second

// complained reads what the dispatcher's log says since the last time. A line that is neither JSON nor the reason why a process
// could not start is noted as strange: it is not the dispatcher that wrote it, but a library or the end of a goroutine.
func (d *dispatcher) complained() ([]disturbance, error) {
	content, err := os.ReadFile(d.log)
	if err != nil {
		return nil, err
	}
	fresh := content[d.read : bytes.LastIndexByte(content, '\n')+1] // whole lines
	d.read += len(fresh)
	var found []disturbance
	for line := range bytes.Lines(fresh) {
		var entry struct {
			At  string `json:"ts"`
			Msg string `json:"msg"`
		}
		if json.Unmarshal(line, &entry) != nil {
			if bytes.HasPrefix(line, []byte("dispatcher: ")) {
				continue
			}
			d.note(oddity{text: fmt.Sprintf("dispatcher %d logged %q", d.number, bytes.TrimSpace(line))})
			continue
		}
		if !slices.Contains(complaints, entry.Msg) {
			continue
		}
		at, err := time.Parse("2006-01-02T15:04:05.000Z0700", entry.At)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.log, err)
		}
		if last := len(found) - 1; last >= 0 && at.Before(found[last].to) {
			found[last].to = at.Add(complaintReach)
			continue
		}
		found = append(found, disturbance{
			what: byCommit, number: d.number, from: at.Add(-complaintReach), to: at.Add(complaintReach), allowed: -1,
		})
	}
	return found, nil
}

// Command gen writes the longer example conversations out of hand-written dialogue (scenes.txt)
// whose names, places and numbers change each time that a scene comes again (slots.txt). The same
// input gives the same bytes.
//
//	go run ./testdata/gen testdata/examples
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

type turn struct{ speaker, text string }

type message struct {
	ID          string `json:"id"`
	Role        string `json:"role"`
	Kind        string `json:"kind"`
	Content     string `json:"content"`
	CreatedAt   string `json:"created_at"`
	Interrupted bool   `json:"interrupted"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want the folder to write to")
	}
	scenes, err := readScenes("testdata/gen/scenes.txt")
	if err != nil {
		return err
	}
	slots, err := readSlots("testdata/gen/slots.txt")
	if err != nil {
		return err
	}
	for _, turns := range []int{40, 400} {
		f := &filler{slots: slots, next: map[string]int{}}
		doc := conversation(turns, scenes, f)
		name := filepath.Join(args[0], fmt.Sprintf("ConversationComplete-%d.json", turns))
		if err := os.WriteFile(name, doc, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// readScenes returns the turns of each scene, in order.
func readScenes(path string) ([][]turn, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scenes: %w", err)
	}
	var scenes [][]turn
	for line := range strings.SplitSeq(string(text), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "== "):
			scenes = append(scenes, nil)
		default:
			speaker, words, ok := strings.Cut(line, ": ")
			if !ok || len(scenes) == 0 {
				return nil, fmt.Errorf("scenes: not a turn: %.40q", line)
			}
			last := len(scenes) - 1
			scenes[last] = append(scenes[last], turn{speaker, words})
		}
	}
	return scenes, nil
}

func readSlots(path string) (map[string][]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read slots: %w", err)
	}
	slots := map[string][]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, list, ok := strings.Cut(line, ": "); ok && name[0] != '#' {
			slots[name] = strings.Split(list, "|")
		}
	}
	return slots, nil
}

// filler fills slots. Within a scene a slot keeps its filling, except for times and numbers, which
// differ each time.
type filler struct {
	slots map[string][]string
	next  map[string]int
	scene map[string]string
}

var slotName = regexp.MustCompile(`\{[a-z]+2?\}`)

func (f *filler) fill(text string) string {
	return slotName.ReplaceAllStringFunc(text, func(slot string) string {
		name := slot[1 : len(slot)-1]
		list := f.slots[name]
		if len(list) == 0 {
			panic("no fillings for " + slot)
		}
		if kept, ok := f.scene[name]; ok {
			return kept
		}
		value := list[f.next[name]%len(list)]
		f.next[name]++
		if name != "time" && name != "bignum" && name != "price" && name != "kb" {
			f.scene[name] = value
		}
		return value
	})
}

func conversation(turns int, scenes [][]turn, f *filler) []byte {
	start := time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC)
	now := start
	var history []message
	for n := 0; len(history) < turns; n++ {
		f.scene = map[string]string{}
		for _, t := range scenes[n%len(scenes)] {
			role, kind := "Agent", "Message"
			switch t.speaker {
			case "U":
				role = "User"
			case "C":
				kind = "ToolCall"
			case "R":
				role, kind = "Tool", "ToolResult"
			}
			now = now.Add(time.Duration(2+len(t.text)/18)*time.Second + time.Duration(len(history)*37%1000)*time.Millisecond)
			history = append(history, message{
				ID: fmt.Sprintf("msg_01JCNV8Q%05dT4ZK9W%07d", turns, 1000+7*len(history)), Role: role, Kind: kind, Content: f.fill(t.text),
				CreatedAt: now.Format("2006-01-02T15:04:05.000Z"), Interrupted: len(history)%13 == 7,
			})
		}
	}
	return document(turns, history[:turns], start, now)
}

// document writes the envelope around the history, compact, as a producer does.
func document(turns int, history []message, start, end time.Time) []byte {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(history); err != nil {
		panic(err)
	}
	stamp := func(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }
	return fmt.Appendf(nil, `{"id":"evt_01JCONV%04d","event":"ConversationComplete","workspace_id":"ws_acme","timestamp":"%s",`+
		`"data":{"session_id":"ses_01JSESS%04d","agent_id":"agt_travel_desk","agent_name":"Concierge – Ωmega ✈","audio_url":null,`+
		`"created_at":"%s","start_time":"%s","agent_joined_at":"%s","duration_seconds":%d.50,"history":%s,`+
		`"telecom_provider":"Twilio","from_number":"+351210000%03d","to_number":"+493012345%03d","campaign_id":null,`+
		`"url_parameters":{"utm_source":"caf\u00e9 \"Zentral\"","crm_ref":9007199254740993,"discount":1.10,"retry_weight":1E+2,"path":"\/desk\/7"}}}`+"\n",
		turns, stamp(end), turns, stamp(start.Add(-2*time.Second)), stamp(start), stamp(start.Add(900*time.Millisecond)),
		int(end.Sub(start).Seconds()), bytes.TrimSpace(lines.Bytes()), turns%1000, turns%1000)
}

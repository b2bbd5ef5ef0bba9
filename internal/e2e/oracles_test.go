package e2e

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// question is what the oracles are asked of a captured request, and what they have to answer.
type question struct {
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	Secret  string            `json:"secret"`
	name    string
	want    answer
}

// answer says which checks accept a request: the documented one and that of a Standard Webhooks library. JavaScript has
// the second only.
type answer struct {
	Documented *bool `json:"documented"`
	Standard   bool  `json:"standard"`
}

// asked is a question about a request as it came.
func asked(r request, secret, name string, documented, standard bool) question {
	q := question{Body: r.body, Secret: secret, name: r.eventID + ", " + name, Headers: map[string]string{}, want: answer{&documented, standard}}
	for _, header := range []string{webhook.HeaderSignature, webhook.HeaderID, webhook.HeaderTimestamp, webhook.HeaderStandardSignature} {
		q.Headers[header] = r.header.Get(header)
	}
	return q
}

// TestPublicLibrariesVerify: what others wrote for receivers accepts what we send, and nothing that was changed on its way.
func TestPublicLibrariesVerify(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	const events = 300
	hooks := make([]hook, 3)
	// A secret that we made, and two that were brought from elsewhere.
	for w, secret := range []string{"", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"} {
		create := map[string]any{"url": rc.URL + "/" + floodWorkspace(w), "event_types": []string{"*"}}
		if secret != "" {
			create["secret"] = secret
		}
		s.call("POST", "/v1/workspaces/"+floodWorkspace(w)+"/webhooks", create, 201, &hooks[w])
		if secret != "" && hooks[w].Secret != secret {
			t.Errorf("brought secret %q became %q", secret, hooks[w].Secret)
		}
	}
	docs := make([]string, events)
	secrets := make(map[string]string, events)
	for i := range docs {
		docs[i] = document(floodID(i), floodWorkspace(i%3), floodType(i/3), floodData(i))
		secrets[floodID(i)] = hooks[i%3].Secret
	}
	in.publish(t, docs...)
	all := rc.wait(t, "every event", 60*time.Second, func(all []request) bool { return distinct(all) == events })

	random := rand.New(rand.NewPCG(2, 2)) //nolint:gosec // the same changes in every run
	var questions []question
	for _, r := range all {
		secret := secrets[r.eventID]
		questions = append(questions,
			asked(r, secret, "as it came", true, true),
			asked(r, webhook.NewSecret(), "another secret", false, false),
			flipped(random, asked(r, secret, "a flipped bit", false, false)),
			otherwise(asked(r, secret, "another id", true, false), webhook.HeaderID, "evt_other"),
			otherwise(asked(r, secret, "no time", true, false), webhook.HeaderTimestamp, ""),
			otherwise(asked(r, secret, "old", true, false), webhook.HeaderTimestamp, "1700000000"),
		)
	}
	ask(t, questions)
}

// TestPublicLibrariesVerifyARotation: receivers with the old and with the new secret accept what comes during the overlap.
func TestPublicLibrariesVerifyARotation(t *testing.T) {
	in := install(t)
	s := in.serve(t)
	rc := receive(t, nil)
	created := s.create("ws_acme", rc.URL)
	// send publishes events and returns their requests.
	sent, seen := 0, 0
	send := func() []request {
		const events = 20
		docs := make([]string, events)
		for i := range docs {
			docs[i] = document(floodID(sent+i), "ws_acme", floodType(i), floodData(sent+i))
		}
		in.publish(t, docs...)
		all := rc.wait(t, "every event", 30*time.Second, func(all []request) bool { return distinct(all) == sent+events })
		fresh := all[seen:]
		sent, seen = sent+events, len(all)
		return fresh
	}
	// settle waits as long as a request may still start by the state before a change that was answered.
	settle := func() { time.Sleep(time.Second) }

	var questions []question
	about := func(all []request, when, secret string, documented, standard bool) {
		for _, r := range all {
			questions = append(questions, asked(r, secret, when, documented, standard))
		}
	}
	about(send(), "before", created.Secret, true, true)

	var rotated struct {
		Secret   string `json:"secret"`
		Previous string `json:"previous_secret"`
	}
	path := "/v1/workspaces/ws_acme/webhooks/" + created.ID + "/secret"
	s.call("POST", path+"/rotate", map[string]any{"overlap_seconds": 3600}, 200, &rotated)
	if rotated.Previous != created.Secret || rotated.Secret == created.Secret {
		t.Fatalf("rotated %+v, was %s", rotated, created.Secret)
	}
	settle()
	overlap := send()
	about(overlap, "old secret in the overlap", created.Secret, true, true)
	about(overlap, "new secret in the overlap", rotated.Secret, false, true)
	about(overlap, "foreign secret in the overlap", webhook.NewSecret(), false, false)
	random := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // the same changes in every run
	for _, r := range overlap {
		for _, secret := range []string{created.Secret, rotated.Secret} {
			questions = append(questions, flipped(random, asked(r, secret, "a flipped bit in the overlap", false, false)))
		}
	}

	s.call("POST", path+"/expire-previous", nil, 204, nil)
	settle()
	after := send()
	about(after, "old secret afterwards", created.Secret, false, false)
	about(after, "new secret afterwards", rotated.Secret, true, true)

	// An overlap also ends by itself.
	before := rotated.Secret
	s.call("POST", path+"/rotate", map[string]any{"overlap_seconds": 1}, 200, &rotated)
	time.Sleep(time.Second)
	settle()
	over := send()
	about(over, "old secret after its time", before, false, false)
	about(over, "new secret after the old one's time", rotated.Secret, true, true)
	ask(t, questions)
}

// flipped changes one bit of the body; it stays UTF-8, so that it is the signature that is refused.
func flipped(random *rand.Rand, q question) question {
	q.Body = bytes.Clone(q.Body)
	for {
		if at := random.IntN(len(q.Body)); q.Body[at] < 0x80 {
			q.Body[at] ^= 1
			return q
		}
	}
}

// otherwise changes a header.
func otherwise(q question, header, value string) question {
	q.Headers[header] = value
	return q
}

// ask hands the questions to Python and JavaScript and compares their answers with what they have to be.
func ask(t *testing.T, questions []question) {
	t.Helper()
	var lines bytes.Buffer
	encode := json.NewEncoder(&lines)
	for _, q := range questions {
		if err := encode.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	capture := filepath.Join(dir, "requests.jsonl")
	if err := os.WriteFile(capture, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	libraries := testenv.Fetched(t, "oracles")
	python := exec.CommandContext(t.Context(), filepath.Join(libraries, "python", "bin", "python"),
		"testdata/oracles/verify.py", documentedCheck(t, dir))
	node := exec.CommandContext(t.Context(), "node", "testdata/oracles/verify.cjs")
	node.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(libraries, "node_modules"))
	for name, oracle := range map[string]*exec.Cmd{"Python": python, "JavaScript": node} {
		compare(t, name, questions, answers(t, oracle, capture))
	}
}

// answers runs an oracle over the captured requests.
func answers(t *testing.T, oracle *exec.Cmd, capture string) []answer {
	t.Helper()
	in, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	var complaint bytes.Buffer
	oracle.Stdin, oracle.Stderr = in, &complaint
	out, err := oracle.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", oracle, err, complaint.Bytes())
	}
	var all []answer
	for decode := json.NewDecoder(bytes.NewReader(out)); decode.More(); {
		var a answer
		if err := decode.Decode(&a); err != nil {
			t.Fatalf("%v: %v", oracle, err)
		}
		all = append(all, a)
	}
	return all
}

func compare(t *testing.T, oracle string, questions []question, got []answer) {
	t.Helper()
	if len(got) != len(questions) {
		t.Fatalf("%s answered %d of %d questions", oracle, len(got), len(questions))
	}
	accepted, wrong := 0, 0
	for i, q := range questions {
		if got[i].Standard {
			accepted++
		}
		documentedWrong := oracle == "Python" && (got[i].Documented == nil || *got[i].Documented != *q.want.Documented)
		if !documentedWrong && got[i].Standard == q.want.Standard {
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("%s, %s: wrong answer %s, want documented %t, standard %t", oracle, q.name, show(got[i]), *q.want.Documented, q.want.Standard)
		}
	}
	t.Logf("%s: %d requests, %d accepted by the library, %d refused, %d wrongly", oracle, len(got), accepted, len(got)-accepted, wrong)
}

func show(a answer) string {
	text, _ := json.Marshal(a) //nolint:errchkjson // two booleans
	return string(text)
}

// documentedCheck writes the README's check to a file, exactly as it stands there.
func documentedCheck(t *testing.T, dir string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(readme), "```python\n")[1:] {
		code, _, closed := strings.Cut(part, "```")
		if !closed || !strings.Contains(code, "def verify_webhook(payload: bytes, signature: str, secret: str) -> bool:\n") {
			continue
		}
		path := filepath.Join(dir, "documented.py")
		if err := os.WriteFile(path, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Fatal("README.md has no block of Python with verify_webhook")
	return ""
}

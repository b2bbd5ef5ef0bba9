package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// TestResealUnderLoad changes the encryption key as the operations guide says, while events are delivered: every attempt
// succeeds, and in the end the old key is not needed.
func TestResealUnderLoad(t *testing.T) {
	const (
		oldKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
		newKey = "HxwdHh8YGRobFBUWFxAREhMMDQ4PCAkKCwQFBgcAAQI="
		others = 250 // more than Reseal moves at once
	)
	in := install(t)
	key := slices.Index(in.env, "DISPATCHER_ENCRYPTION_KEY="+oldKey)
	with := func(keys string) *installation {
		env := slices.Clone(in.env)
		env[key] = "DISPATCHER_ENCRYPTION_KEY=" + keys
		return &installation{prefix: in.prefix, env: env}
	}
	s := in.serve(t)
	var secret atomic.Value
	var wrong atomic.Int64
	rc := receive(t, func(w http.ResponseWriter, r request) {
		if secret, ok := secret.Load().(string); ok && verify(r, secret) != nil {
			wrong.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	secret.Store(s.create("ws_acme", rc.URL).Secret)
	for i := range others {
		s.create(fmt.Sprintf("ws_%d", i%10), rc.URL)
	}
	l := in.loadOn(t, testenv.Kafka(t), "ws_acme", 100)
	came := func(more int) {
		t.Helper()
		n := len(rc.requests())
		rc.wait(t, "the load", 30*time.Second, func(all []request) bool { return len(all) >= n+more })
	}
	replace := func(keys string) {
		t.Helper()
		next := with(keys).serve(t)
		if code := s.signal(stopSignal, 30*time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		s = next
		came(100)
	}
	came(100)
	replace(oldKey + "," + newKey)
	replace(newKey + "," + oldKey)
	want := fmt.Sprintf("%d webhooks sealed with the newest key", others+1)
	if out := must(t, nil, with(newKey+","+oldKey).env, "secrets", "reseal"); !strings.Contains(out, want) {
		t.Errorf("reseal says %q", out)
	}
	came(100)
	if out := must(t, nil, with(newKey+","+oldKey).env, "secrets", "reseal"); !strings.Contains(out, "0 webhooks") {
		t.Errorf("reseal again says %q", out)
	}
	replace(newKey)
	if out, code := run(t, nil, in.env, "serve"); code == 0 || !strings.Contains(out, "which was not given") {
		t.Errorf("with the old key alone: code %d, %s", code, out)
	}
	published := l.stop()
	rc.wait(t, "every event", 30*time.Second, func(all []request) bool { return distinct(all) == published })
	eventually(t, 30*time.Second, func() error {
		all := s.attempts("ws_acme", "")
		for _, a := range all {
			if a.Status != "succeeded" || a.Attempt != 1 {
				return fmt.Errorf("attempt %+v", a)
			}
		}
		if len(all) != published {
			return fmt.Errorf("%d attempts in history of %d events", len(all), published)
		}
		return nil
	})
	if wrong.Load() > 0 {
		t.Errorf("%d requests were signed wrongly", wrong.Load())
	}
	t.Logf("%d events while the key changed, none failed", published)
}

package webhook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

type vector struct {
	Name      string   `json:"name"`
	Secrets   []string `json:"secrets"`
	ID        string   `json:"webhook_id"`
	Timestamp string   `json:"webhook_timestamp"`
	Body      string   `json:"body"`
	Hex       string   `json:"x_voxagent_signature"`
	Standard  string   `json:"webhook_signature"`
}

// unix is the vector's webhook-timestamp as a number.
func (v vector) unix(tb testing.TB) int64 {
	tb.Helper()
	n, err := strconv.ParseInt(v.Timestamp, 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func (v vector) headers() http.Header {
	h := http.Header{}
	h.Set("webhook-id", v.ID)
	h.Set("webhook-timestamp", v.Timestamp)
	h.Set("webhook-signature", v.Standard)
	return h
}

// verifier returns a Verifier at the vector's time.
func (v vector) verifier(tb testing.TB, secrets ...string) webhook.Verifier {
	at := time.Unix(v.unix(tb), 0)
	return webhook.Verifier{Secrets: secrets, Now: func() time.Time { return at }}
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var doc struct {
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Vectors) < 10 {
		tb.Fatalf("%d vectors, %v", len(doc.Vectors), err)
	}
	return doc.Vectors
}

func signer(tb testing.TB, secrets ...string) *webhook.Signer {
	tb.Helper()
	s, err := webhook.NewSigner(secrets...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			s := signer(t, v.Secrets...)
			for range 3 { // a hash that is used again gives the same
				got := s.Sign(v.ID, time.Unix(v.unix(t), 999), []byte(v.Body))
				if want := (webhook.Signatures{Hex: v.Hex, Timestamp: v.Timestamp, Standard: v.Standard}); got != want {
					t.Fatalf("got  %+v\nwant %+v", got, want)
				}
			}
			for _, secret := range v.Secrets {
				if err := v.verifier(t, secret).Verify(v.headers(), []byte(v.Body)); err != nil {
					t.Errorf("Verify: %v", err)
				}
			}
			if err := webhook.VerifyHex([]byte(v.Body), v.Hex, v.Secrets[0]); err != nil {
				t.Errorf("VerifyHex: %v", err)
			}
		})
	}
}

// The check that receivers are told to make, run by python3 as it stands, on vectors, on altered
// ones and on new secrets.
func TestPythonCheck(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("python3 is needed for this test: %v", err)
	}
	type check struct {
		Secret    string `json:"secret"`
		ID        string `json:"id"`
		Timestamp string `json:"timestamp"`
		Body      []byte `json:"body"`
		Hex       string `json:"hex"`
		Standard  string `json:"standard"`
	}
	var in bytes.Buffer
	var want []string
	add := func(secret, id string, unix int64, body []byte, sig webhook.Signatures, hexOK, standardOK bool) {
		if err := json.NewEncoder(&in).Encode(check{secret, id, strconv.FormatInt(unix, 10), body, sig.Hex, sig.Standard}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(hexOK, " ", standardOK))
	}
	for _, v := range vectors(t) {
		sig := signer(t, v.Secrets...).Sign(v.ID, time.Unix(v.unix(t), 0), []byte(v.Body))
		for i, secret := range v.Secrets {
			add(secret, v.ID, v.unix(t), []byte(v.Body), sig, i == 0, true)
		}
		add(v.Secrets[0], v.ID, v.unix(t), []byte(v.Body+" "), sig, false, false)
		add(v.Secrets[0], v.ID, v.unix(t)+1, []byte(v.Body), sig, true, false)
		add(webhook.NewSecret(), v.ID, v.unix(t), []byte(v.Body), sig, false, false)
	}
	for n := range 50 {
		secret, body := webhook.NewSecret(), bytes.Repeat([]byte{byte(n), 0xFF, '"'}, n*n)
		sig := signer(t, secret).Sign("evt_1", time.Unix(int64(n), 0), body)
		add(secret, "evt_1", int64(n), body, sig, true, true)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/verify.py")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d answers to %d checks", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("check %d: %s, want %s", i, got[i], want[i])
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	v := vectors(t)[1]
	change := func(name, value string) func(http.Header) {
		return func(h http.Header) { h.Set(name, value) }
	}
	for _, tc := range []struct {
		name   string
		change func(http.Header)
		body   string
		secret string
		want   error
	}{
		{"other body", nil, v.Body + " ", "", webhook.ErrSignature},
		{"other secret", nil, "", webhook.NewSecret(), webhook.ErrSignature},
		{"empty secret", nil, "", "-", webhook.ErrSecret},
		{"other id", change("webhook-id", "evt_2"), "", "", webhook.ErrSignature},
		{"no id", func(h http.Header) { h.Del("webhook-id") }, "", "", webhook.ErrMissingHeader},
		{"empty id", change("webhook-id", ""), "", "", webhook.ErrMissingHeader},
		{"id with a dot", change("webhook-id", "a.b"), "", "", webhook.ErrBadHeader},
		{"id twice", func(h http.Header) { h.Add("webhook-id", v.ID) }, "", "", webhook.ErrBadHeader},
		{"no timestamp", func(h http.Header) { h.Del("webhook-timestamp") }, "", "", webhook.ErrMissingHeader},
		{"timestamp text", change("webhook-timestamp", "now"), "", "", webhook.ErrBadHeader},
		{"timestamp with a plus", change("webhook-timestamp", "+"+v.Timestamp), "", "", webhook.ErrBadHeader},
		{"timestamp with a zero", change("webhook-timestamp", "0"+v.Timestamp), "", "", webhook.ErrBadHeader},
		{"timestamp too large", change("webhook-timestamp", "99999999999999999999"), "", "", webhook.ErrBadHeader},
		{"timestamp far away", change("webhook-timestamp", "9223372036854775807"), "", "", webhook.ErrTimestamp},
		{"timestamp far back", change("webhook-timestamp", "-9223372036854775808"), "", "", webhook.ErrTimestamp},
		{"other timestamp", change("webhook-timestamp", strconv.FormatInt(v.unix(t)+1, 10)), "", "", webhook.ErrSignature},
		{"no signature", func(h http.Header) { h.Del("webhook-signature") }, "", "", webhook.ErrMissingHeader},
		{"other version only", change("webhook-signature", "v1a,"+v.Standard[3:]), "", "", webhook.ErrBadHeader},
		{"not base64", change("webhook-signature", "v1,***"), "", "", webhook.ErrBadHeader},
		{"empty signature", change("webhook-signature", "v1,"), "", "", webhook.ErrSignature},
		{"cut signature", change("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString([]byte(v.Standard[:16]))), "", "", webhook.ErrSignature},
		{"right one behind too many", change("webhook-signature", strings.Repeat("v1,AAAA ", 16)+v.Standard), "", "", webhook.ErrSignature},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, body, secret := v.headers(), v.Body, v.Secrets[0]
			if tc.change != nil {
				tc.change(h)
			}
			if tc.body != "" {
				body = tc.body
			}
			if tc.secret != "" {
				secret = strings.TrimPrefix(tc.secret, "-")
			}
			err := v.verifier(t, secret).Verify(h, []byte(body))
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
				t.Error("the error repeats the secret")
			}
		})
	}
	if err := v.verifier(t).Verify(v.headers(), []byte(v.Body)); !errors.Is(err, webhook.ErrSecret) {
		t.Errorf("without secrets: %v", err)
	}
}

func TestVerifyTakes(t *testing.T) {
	v := vectors(t)[1]
	other := webhook.NewSecret()
	for _, secrets := range [][]string{{v.Secrets[0], other}, {other, v.Secrets[0]}} {
		if err := v.verifier(t, secrets...).Verify(v.headers(), []byte(v.Body)); err != nil {
			t.Errorf("one of two secrets: %v", err)
		}
	}
	h := v.headers()
	h.Set("webhook-signature", "v1a,AAAA v2,x v1,AAAA  "+v.Standard)
	if err := v.verifier(t, v.Secrets[0]).Verify(h, []byte(v.Body)); err != nil {
		t.Errorf("among others: %v", err)
	}
}

func TestTolerance(t *testing.T) {
	v := vectors(t)[0]
	sent := time.Unix(v.unix(t), 0)
	for _, tc := range []struct {
		off, tolerance time.Duration
		ok             bool
	}{
		{0, 0, true}, {5 * time.Minute, 0, true}, {-5 * time.Minute, 0, true},
		{5*time.Minute + 1, 0, false}, {-5*time.Minute - 1, 0, false},
		{time.Second, time.Second, true}, {time.Second + 1, time.Second, false},
		{1e6 * time.Hour, -1, true},
	} {
		check := webhook.Verifier{Secrets: v.Secrets, Tolerance: tc.tolerance, Now: func() time.Time { return sent.Add(tc.off) }}
		err := check.Verify(v.headers(), []byte(v.Body))
		if tc.ok && err != nil || !tc.ok && !errors.Is(err, webhook.ErrTimestamp) {
			t.Errorf("%v off, tolerance %v: %v", tc.off, tc.tolerance, err)
		}
	}
	secret := webhook.NewSecret()
	sig := signer(t, secret).Sign("evt_1", time.Now(), []byte("{}"))
	h := http.Header{}
	h.Set(webhook.HeaderID, "evt_1")
	h.Set(webhook.HeaderTimestamp, sig.Timestamp)
	h.Set(webhook.HeaderStandardSignature, sig.Standard)
	if err := webhook.Verify(h, []byte("{}"), secret); err != nil {
		t.Errorf("sent now: %v", err)
	}
}

func TestVerifyHexRefuses(t *testing.T) {
	v := vectors(t)[0]
	for name, tc := range map[string]struct {
		body, signature, secret string
		want                    error
	}{
		"other body":   {v.Body + "\n", v.Hex, v.Secrets[0], webhook.ErrSignature},
		"other secret": {v.Body, v.Hex, webhook.NewSecret(), webhook.ErrSignature},
		"empty secret": {v.Body, v.Hex, "", webhook.ErrSecret},
		"no signature": {v.Body, "", v.Secrets[0], webhook.ErrMissingHeader},
		"upper case":   {v.Body, strings.ToUpper(v.Hex), v.Secrets[0], webhook.ErrBadHeader},
		"not hex":      {v.Body, "x" + v.Hex[1:], v.Secrets[0], webhook.ErrBadHeader},
		"cut":          {v.Body, v.Hex[:62], v.Secrets[0], webhook.ErrSignature},
	} {
		if err := webhook.VerifyHex([]byte(tc.body), tc.signature, tc.secret); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		s := webhook.NewSecret()
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil || len(key) != 32 || !strings.HasPrefix(s, "whsec_") || seen[s] || webhook.CheckSecret(s) != nil {
			t.Fatalf("a new secret of %d bytes: %v", len(s), err)
		}
		seen[s] = true
	}
	for s, ok := range map[string]bool{
		strings.Repeat("a", 16): true, strings.Repeat("a", 256): true, "~23456789 1234 ~": true,
		"": false, strings.Repeat("a", 15): false, strings.Repeat("a", 257): false,
		"0123456789abcde\n": false, "0123456789abcde\x7f": false, "0123456789abcdé": false,
	} {
		if err := webhook.CheckSecret(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
		if _, err := webhook.NewSigner(s); (err == nil) != ok || err != nil && !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("NewSigner %q: %v", s, err)
		}
	}
	if _, err := webhook.NewSigner(); err == nil {
		t.Error("a signer without a secret")
	}
	if _, err := webhook.NewSigner(webhook.NewSecret(), ""); !errors.Is(err, webhook.ErrSecret) {
		t.Errorf("second secret empty: %v", err)
	}
}

func TestSignerConcurrently(t *testing.T) {
	v := vectors(t)[2]
	s := signer(t, v.Secrets...)
	at := time.Unix(v.unix(t), 0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if got := s.Sign(v.ID, at, []byte(v.Body)); got.Hex != v.Hex || got.Standard != v.Standard {
					t.Errorf("%+v", got)
					return
				}
			}
		})
	}
	wg.Wait()
}

// FuzzVerify: only what Signer signed verifies, whatever stands in the headers.
func FuzzVerify(f *testing.F) {
	v := vectors(f)[1]
	f.Add(v.ID, v.Timestamp, v.Standard, []byte(v.Body))
	f.Add("", "1", "v1, v1,=", []byte{})
	f.Add("a.b", "-1", "v1,AAAA", []byte("{}"))
	f.Add("a", "9223372036854775807", " ", []byte("\xff"))
	f.Fuzz(func(t *testing.T, id, stamp, given string, body []byte) {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", given)
		check := webhook.Verifier{Secrets: v.Secrets, Tolerance: -1}
		err := check.Verify(h, body)
		unix, numErr := strconv.ParseInt(stamp, 10, 64)
		right := string(signer(t, v.Secrets...).AppendStandard(nil, id, unix, body))
		has := numErr == nil && strings.Contains(strings.NewReplacer("\r", "", "\n", "").Replace(given), right)
		if err == nil && !has {
			t.Fatalf("verified: id %q, timestamp %q, signature %q", id, stamp, given)
		}
		h.Set("webhook-signature", right)
		if err := check.Verify(h, body); (err == nil) != (numErr == nil && strconv.FormatInt(unix, 10) == stamp && id != "" && !strings.Contains(id, ".")) {
			t.Fatalf("own signature: id %q, timestamp %q: %v", id, stamp, err)
		}
		if (webhook.VerifyHex(body, given, v.Secrets[0]) == nil) != (given == string(signer(t, v.Secrets...).AppendHex(nil, body))) {
			t.Fatalf("VerifyHex of %q", given)
		}
	})
}

func TestSignAllocations(t *testing.T) {
	s := signer(t, webhook.NewSecret())
	body := make([]byte, 30<<10)
	dst := make([]byte, 0, 256)
	n := testing.AllocsPerRun(200, func() {
		dst = s.AppendHex(dst[:0], body)
		dst = s.AppendStandard(dst, "evt_01JCONV0002", 1795420800, body)
	})
	if n >= 1 && !raceEnabled {
		t.Errorf("%v allocations for the two signatures, want none", n)
	}
}

func BenchmarkSign(b *testing.B) {
	for _, size := range []int{1 << 10, 30 << 10} {
		body := bytes.Repeat([]byte("x"), size)
		s := signer(b, webhook.NewSecret())
		dst := make([]byte, 0, 256)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				dst = s.AppendHex(dst[:0], body)
				dst = s.AppendStandard(dst, "evt_01JCONV0002", 1795420800, body)
			}
		})
	}
}

// TestSumsAreThoseOfEachScheme compares both signatures at once with the ones made alone, by crypto/hmac, for every
// length of body and id around the blocks of the hash.
func TestSumsAreThoseOfEachScheme(t *testing.T) {
	for n := range 420 {
		secret := strings.Repeat("k", 16+n%241)
		s := signer(t, secret)
		id, body := strings.Repeat("i", n%260), bytes.Repeat([]byte{byte(n), 0xFF, '"'}, n)[:n]
		sums := s.Sums(id, int64(n)<<n%40, body)
		if want := s.AppendHex(nil, body); string(sums.Hex[:]) != string(want) {
			t.Fatalf("%d bytes: %s, want %s", n, sums.Hex, want)
		}
		if want := s.AppendStandard(nil, id, int64(n)<<n%40, body); string(sums.Standard[:]) != string(want) {
			t.Fatalf("%d bytes: %s, want %s", n, sums.Standard, want)
		}
	}
}

func BenchmarkSums(b *testing.B) {
	s := signer(b, webhook.NewSecret())
	for _, size := range []int{1 << 10, 30 << 10} {
		body := make([]byte, size)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Sums("evt_01JD9Q3M8K5T7V2X4Z6B8D0F2H", 1795420800, body)
			}
		})
		b.Run(strconv.Itoa(size)+"/apart", func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 200)
			for b.Loop() {
				s.AppendStandard(s.AppendHex(buf, body), "evt_01JD9Q3M8K5T7V2X4Z6B8D0F2H", 1795420800, body)
			}
		})
	}
}

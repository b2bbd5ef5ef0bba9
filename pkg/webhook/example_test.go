package webhook_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/pkg/webhook"
)

const exampleSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// A receiver: read the raw body, verify, answer fast, work later.
func ExampleVerify() {
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		if err := webhook.Verify(r.Header, body, exampleSecret); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		// Deduplicate on the header webhook-id, then put body on a queue.
		w.WriteHeader(http.StatusNoContent)
	}

	body := `{"id":"evt_1","event":"SessionStarted","timestamp":"2026-11-23T08:00:00.123Z","data":{}}`
	for _, sent := range []string{body, body + " "} {
		signer, err := webhook.NewSigner(exampleSecret)
		if err != nil {
			panic(err)
		}
		sig := signer.Sign("evt_1", time.Now(), []byte(body))
		r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(sent))
		r.Header.Set(webhook.HeaderID, "evt_1")
		r.Header.Set(webhook.HeaderTimestamp, sig.Timestamp)
		r.Header.Set(webhook.HeaderStandardSignature, sig.Standard)
		w := httptest.NewRecorder()
		receive(w, r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	}
	// Output:
	// 204
	// 401 webhook: signature does not match
}

func ExampleVerifyHex() {
	body := []byte(`{"id":"evt_1"}`)
	const signature = "9089d7f6268172c25853570238b8f7b2402ecd0bf94224086facb6d3684a463b"
	fmt.Println(webhook.VerifyHex(body, signature, exampleSecret))
	fmt.Println(errors.Is(webhook.VerifyHex([]byte(`{"id":"evt_2"}`), signature, exampleSecret), webhook.ErrSignature))
	// Output:
	// <nil>
	// true
}

// While a secret is rotated webhook-signature carries both signatures, so a receiver that knows
// either secret accepts the request.
func ExampleNewSigner() {
	const newSecret = "whsec_//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA="
	signer, err := webhook.NewSigner(exampleSecret, newSecret)
	if err != nil {
		panic(err)
	}
	sig := signer.Sign("evt_1", time.Unix(1795420800, 0), []byte("{}"))
	fmt.Println(sig.Timestamp)
	for s := range strings.FieldsSeq(sig.Standard) {
		fmt.Println(s)
	}
	// Output:
	// 1795420800
	// v1,HSYOMkBI+ra9+ay/jdT4SKsf30YAiApJjG60wkIn/TI=
	// v1,tIG2kqAI+IA+M4893DaUyekrnDCIZp1hpbDlyi160dw=
}

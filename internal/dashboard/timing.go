package dashboard

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// timePart is one part of an attempt's time, in a bar that is 1000 wide.
type timePart struct {
	Class, Name, Time string
	X, W              int
}

func timing(a *store.AttemptDetail) []timePart {
	parts := []struct {
		name string
		d    event.Millis
	}{
		{"Looking the name up", a.Timing.DNS}, {"Connecting", a.Timing.Connect}, {"TLS handshake", a.Timing.TLS},
		{"Waiting for the answer", a.Timing.Wait}, {"Reading the answer", a.Timing.Read},
	}
	total := a.Duration
	var sum time.Duration
	for _, p := range parts {
		sum += p.d.Duration()
	}
	total = max(total, sum, 1)
	var out []timePart
	x := 0
	for i, p := range parts {
		w := int(1000 * p.d.Duration() / total)
		out = append(out, timePart{Class: "s" + strconv.Itoa(i), Name: p.name, Time: span(p.d.Duration()), X: x, W: w})
		x += w
	}
	return out
}

// expectedSignature is what a receiver must compute for an attempt with the webhook's secrets of now.
type expectedSignature struct {
	Header, Expected, Standard, Timestamp string
	Overlap                               bool // of a rotation: the secret before signs, and in Standard both do
}

// expected reveals the secrets to itself, which the audit log notes, and signs the attempt's payload with them as an attempt of
// this moment would.
func (v *visit) expected(ctx context.Context, a *store.AttemptDetail) (*expectedSignature, error) {
	secrets, err := v.Webhooks.Reveal(ctx, v.actor(), v.workspace, a.WebhookID)
	if err != nil {
		return nil, err
	}
	e := &expectedSignature{Header: v.cfg.SignatureHeader, Overlap: secrets.Previous != ""}
	for _, h := range a.Request.Headers {
		if strings.EqualFold(h[0], "webhook-timestamp") {
			e.Timestamp = h[1]
		}
	}
	unix, errTime := strconv.ParseInt(e.Timestamp, 10, 64)
	for _, secret := range []fanout.Secret{secrets.Current, secrets.Previous} {
		if secret == "" {
			continue
		}
		signer, err := webhook.NewSigner(string(secret))
		if err != nil {
			return nil, fmt.Errorf("sign attempt %s: %w", a.ID, err)
		}
		e.Expected = string(signer.AppendHex(nil, a.Payload.Body)) // the one before has the last word
		if errTime == nil {
			e.Standard = strings.TrimPrefix(e.Standard+" "+string(signer.AppendStandard(nil, a.EventID, unix, a.Payload.Body)), " ")
		}
	}
	return e, nil
}

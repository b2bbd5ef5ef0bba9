package dashboard

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/voxagent/dispatcher/internal/subscription"
)

// secretView is a webhook's secrets in the clear: only ever the answer to a POST.
type secretView struct {
	Secret, Previous  string
	PreviousExpiresAt bool // a rotation's overlap is running
	PreviousUntil     time.Time
}

func showSecrets(s *subscription.Secrets, now time.Time) *secretView {
	return &secretView{
		Secret: string(s.Current), Previous: string(s.Previous),
		PreviousExpiresAt: s.PreviousExpiresAt.After(now), PreviousUntil: s.PreviousExpiresAt,
	}
}

func (d *dashboard) reveal(v *visit) error {
	s, err := v.Webhooks.Reveal(v.r.Context(), v.actor(), v.workspace, v.id())
	if err != nil {
		return err
	}
	return v.showWebhook(showSecrets(&s, v.now))
}

// overlaps are how long both secrets may sign.
var overlaps = []struct {
	hours int
	name  string
}{{24, "24 hours"}, {0, "Not at all: only the new one signs from now on"}, {1, "1 hour"}, {7 * 24, "7 days"}, {30 * 24, "30 days"}}

func (d *dashboard) rotatePage(v *visit) error {
	w, err := v.Webhooks.Webhook(v.r.Context(), v.workspace, v.id())
	if err != nil {
		return err
	}
	view := confirmView{
		Title: "Rotate the secret", Name: webhookName(&w), Back: v.webhookHref(w.ID) + "#secret",
		Action: v.webhookHref(w.ID) + "/secret/rotate#secret", Button: "Rotate secret",
		ETag: etag(&w), OptionName: "hours", OptionLabel: "The secret so far signs too for",
		Effects: []string{
			"A new secret is made and shown. While both sign, webhook-signature carries both signatures, and " + v.cfg.SignatureHeader + " that of the secret so far.",
			"Put the new secret into your server within that time; then end the overlap, or let it run out.",
			"If an overlap is running already, it ends: only the secret so far and the new one sign.",
		},
	}
	for i, o := range overlaps {
		view.Options = append(view.Options, option{strconv.Itoa(o.hours), o.name, i == 0})
	}
	return v.show("confirm", "Rotate the secret", "webhooks", view)
}

func (d *dashboard) rotate(v *visit) error {
	hours, err := strconv.Atoi(v.r.PostFormValue("hours"))
	if err != nil || hours < 0 || hours > 30*24 {
		hours = overlaps[0].hours
	}
	s, err := v.Webhooks.Rotate(v.r.Context(), v.actor(), v.workspace, v.id(), time.Duration(hours)*time.Hour, versionOf(v.r.PostFormValue("etag")))
	if errors.Is(err, subscription.ErrVersion) { // the button was pressed twice, or somebody else was faster
		return v.say("not-rotated", v.webhookHref(v.id())+"#secret")
	}
	if err != nil {
		return err
	}
	return v.showWebhook(showSecrets(&s, v.now))
}

func (d *dashboard) expirePrevious(v *visit) error {
	if err := v.Webhooks.ExpirePrevious(v.r.Context(), v.actor(), v.workspace, v.id()); err != nil {
		return err
	}
	return v.say("expired", v.webhookHref(v.id())+"#secret")
}

// verifySnippet is the check of a signature in one language.
type verifySnippet struct{ Language, Code string }

func snippets(header string) []verifySnippet {
	return []verifySnippet{
		{"Python", `import hashlib, hmac

def verify_webhook(payload: bytes, signature: str, secret: str) -> bool:
    expected = hmac.new(secret.encode("utf-8"), payload, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)

# Flask: verify_webhook(request.get_data(), request.headers["` + header + `"], SECRET)`},
		{"Node.js", `import { createHmac, timingSafeEqual } from "node:crypto";

export function verifyWebhook(rawBody, signature, secret) {
  const expected = createHmac("sha256", secret).update(rawBody).digest();
  const given = Buffer.from(signature, "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

// Express: app.post(path, express.raw({ type: "*/*" }), (req, res) =>
//   verifyWebhook(req.body, req.get("` + header + `"), SECRET) ...`},
		{"Go", fmt.Sprintf(`func verifyWebhook(body []byte, signature, secret string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	given, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(given, mac.Sum(nil))
}

// body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
// verifyWebhook(body, r.Header.Get(%q), secret)`, header)},
	}
}

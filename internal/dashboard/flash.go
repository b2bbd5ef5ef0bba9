package dashboard

import "time"

// flash is what a page says about the act that led to it.
type flash struct {
	Kind, Icon, Text string
}

// flashes are all of them, by the name that the cookie carries: nothing that a cookie holds is ever shown.
var flashes = map[string]flash{
	"saved":       {"ok", "ok", "Saved. From one second on, everything goes by the new settings."},
	"created":     {"ok", "ok", "Created."},
	"deleted":     {"ok", "ok", "The webhook is deleted."},
	"enabled":     {"ok", "ok", "Enabled: events published from now on are sent."},
	"disabled":    {"wait", "off", "Disabled: nothing is sent any more, and what was waiting is cancelled."},
	"test":        {"ok", "ok", "A test event is on its way. It appears in the Request History within seconds."},
	"no-example":  {"fail", "fail", "This event type has no example to send."},
	"resent":      {"ok", "ok", "Resent: the new attempt appears here within seconds."},
	"cancelled":   {"wait", "off", "Cancelled: no further attempt starts."},
	"finished":    {"wait", "wait", "There was nothing left to cancel: the delivery is finished."},
	"is-disabled": {"fail", "fail", "Not resent: the webhook is disabled or deleted. Enable it first."},
	"in-progress": {"wait", "wait", "Not resent: an attempt is being made right now."},
	"no-payload":  {"fail", "fail", "Not resent: the payload is not kept any more."},
	"expired":     {"ok", "ok", "The overlap has ended: only the new secret signs."},
	"not-rotated": {"wait", "wait", "Not rotated: the webhook was changed a moment ago, perhaps by the same button. Look at its secret first."},
	"revoked":     {"ok", "ok", "The key is revoked: it is refused everywhere within a second."},
}

const flashLength = time.Minute

// say has the next page say something, and goes there.
func (v *visit) say(name, to string) error {
	v.cookies.set(v.w, v.r, flashCookie, name, flashLength)
	return v.redirect(to)
}

// takeFlash returns what is to be said, once.
func (v *visit) takeFlash() *flash {
	c, err := v.r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	v.cookies.clear(v.w, v.r, flashCookie)
	if f, ok := flashes[c.Value]; ok {
		return &f
	}
	return nil
}

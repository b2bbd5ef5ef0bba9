package dashboard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/api/command"
	"github.com/voxagent/dispatcher/internal/subscription"
)

type webhookView struct {
	ID, Href, Name, URL string
	Enabled, Created    bool
	Status              status
	StatusNote          string
	Trouble             *trouble
	TestTypes           []string
	Bars                bars
	Rate                string

	Succeeded, Failed, Waiting int

	EventTypes           []string
	Filter               string
	Headers              []string
	Limit                string
	CreatedAt, UpdatedAt time.Time

	Secret          *secretView
	SignatureHeader string
	Snippets        []verifySnippet
	History         historyView
}

// trouble is what a reader must know first about a webhook that does not work.
type trouble struct{ Kind, What, Next, Do string }

func (v *visit) webhookHref(id string) string { return v.base() + "/webhooks/" + id }

func (d *dashboard) webhookPage(v *visit) error { return v.showWebhook(nil) }

// backToWebhook is where a reload of what a POST showed leads.
func (d *dashboard) backToWebhook(v *visit) error {
	if _, err := v.Webhooks.Webhook(v.r.Context(), v.workspace, v.id()); err != nil {
		return err
	}
	return v.redirect(v.webhookHref(v.id()) + "#secret")
}

// showWebhook renders the page, with the secrets when they were asked for.
func (v *visit) showWebhook(secret *secretView) error {
	ctx := v.r.Context()
	w, err := v.Webhooks.Webhook(ctx, v.workspace, v.id())
	if err != nil {
		return err
	}
	history, err := v.history(ctx, &w)
	if err != nil {
		return err
	}
	view := webhookView{ID: w.ID, Href: v.webhookHref(w.ID), History: history}
	if v.fragment() == "rows" {
		p := v.frame("", "")
		p.C = view
		return v.views.fragment(v.w, v.r, "webhook", "rows", p)
	}
	days, err := v.days(ctx, []string{w.ID})
	if err != nil {
		return err
	}
	view.describe(v, &w, days[w.ID])
	view.Secret = secret
	p := v.frame(view.Name, "webhooks")
	p.C = &view
	if f := v.takeFlash(); f != nil && *f == flashes["created"] {
		view.Created = true
	} else {
		p.Flash = f
	}
	return v.views.render(v.w, 200, "webhook", p)
}

func (view *webhookView) describe(v *visit, w *subscription.Webhook, day *day) {
	view.Name, view.URL, view.Enabled = webhookName(w), w.URL, w.Enabled
	view.Status, view.StatusNote, view.Trouble = webhookStatus(w), webhookNote(w, v.now), troubleOf(w, v.now)
	view.Bars, view.Rate = day.bars(true), day.rate()
	view.Succeeded, view.Failed, view.Waiting = day.sums()
	view.Filter = w.Filter
	for _, t := range w.EventTypes {
		view.EventTypes = append(view.EventTypes, plain(t))
	}
	view.CreatedAt, view.UpdatedAt = w.CreatedAt, w.UpdatedAt
	for _, h := range w.Headers {
		view.Headers = append(view.Headers, h[0])
	}
	if w.MaxPerSecond > 0 {
		view.Limit = strconv.FormatFloat(w.MaxPerSecond, 'g', -1, 64) + " requests a second"
	}
	for _, t := range v.Catalogue().Types() {
		if len(t.Example) > 0 {
			view.TestTypes = append(view.TestTypes, t.Name)
		}
	}
	view.SignatureHeader, view.Snippets = v.cfg.SignatureHeader, snippets(v.cfg.SignatureHeader)
}

func troubleOf(w *subscription.Webhook, now time.Time) *trouble {
	switch {
	case !w.Enabled && w.DisabledReason == subscription.DisabledGone:
		return &trouble{"fail", "Your server answered 410 Gone, so the webhook was disabled.", "Nothing is sent to it any more.", "Enable it once the address works again."}
	case !w.Enabled && w.DisabledReason == subscription.DisabledFailing:
		return &trouble{"fail", "The webhook was disabled after too long a run of failures.", "Nothing is sent to it any more.", "Look at the last answers below, put your server right, then enable it."}
	case !w.Enabled && w.DisabledReason == subscription.DisabledByOperator:
		return &trouble{"wait", "The platform's operator disabled this webhook.", "Nothing is sent to it.", "Ask the operator for the reason."}
	case w.Enabled && w.Health == subscription.HealthFailing:
		return &trouble{"fail", "Every attempt has failed since " + clock(w.FailingSince, now) + " UTC.", "Each delivery is tried again by the schedule.", "Open a failed row below: it says what went wrong."}
	}
	return nil
}

func (d *dashboard) enable(v *visit) error { return v.setEnabled(true, "enabled") }

func (d *dashboard) disable(v *visit) error { return v.setEnabled(false, "disabled") }

func (v *visit) setEnabled(enabled bool, said string) error {
	if _, err := v.Webhooks.Update(v.r.Context(), v.actor(), v.workspace, v.id(), subscription.Patch{Enabled: &enabled}, 0); err != nil {
		return err
	}
	return v.say(said, v.webhookHref(v.id()))
}

func (d *dashboard) test(v *visit) error {
	_, err := v.Actions.Test(v.r.Context(), v.actor(), v.workspace, v.id(), v.r.PostFormValue("event"))
	if errors.Is(err, command.ErrUnknownEvent) {
		return v.say("no-example", v.webhookHref(v.id()))
	}
	if err != nil {
		return err
	}
	return v.say("test", v.webhookHref(v.id()))
}

// confirmView asks before something that cannot be taken back, and says what it will do.
type confirmView struct {
	Title, Name, Back, Action, Button string
	Effects                           []string
	Danger                            bool
	ETag                              string // the version that was read; empty: it does not matter
	OptionName, OptionLabel           string
	Options                           []option
}

func (d *dashboard) deletePage(v *visit) error {
	w, waiting, err := v.webhookAndWaiting(v.r.Context())
	if err != nil {
		return err
	}
	name := webhookName(&w)
	return v.show("confirm", "Delete "+name, "webhooks", confirmView{
		Title: "Delete “" + name + "”?", Name: name, Back: v.webhookHref(w.ID), Action: v.webhookHref(w.ID) + "/delete",
		Button: "Delete webhook", Danger: true,
		Effects: []string{
			"Nothing more is sent to " + plain(w.URL) + ". This cannot be undone, and its secret is gone.",
			waitingText(waiting), "Its request history stays readable until its retention ends.",
		},
	})
}

func waitingText(n string) string {
	if n == "0" {
		return "No delivery is waiting."
	}
	return "Deliveries that are waiting and will be cancelled: " + n + "."
}

// webhookAndWaiting returns the visit's webhook and how many of its deliveries are waiting, such as `3` or `over 250`.
func (v *visit) webhookAndWaiting(ctx context.Context) (subscription.Webhook, string, error) {
	w, err := v.Webhooks.Webhook(ctx, v.workspace, v.id())
	if err != nil {
		return w, "", err
	}
	l, err := v.waiting(ctx, w.ID, "", maxPage)
	if err != nil {
		return w, "", fmt.Errorf("count what waits: %w", err)
	}
	if l.Next != "" {
		return w, "over " + strconv.Itoa(len(l.Data)), nil
	}
	return w, strconv.Itoa(len(l.Data)), nil
}

func (d *dashboard) remove(v *visit) error {
	if _, err := v.Webhooks.Delete(v.r.Context(), v.actor(), v.workspace, v.id(), 0); err != nil {
		return err
	}
	return v.say("deleted", strings.TrimSuffix(v.webhookHref(""), "/"))
}

package dashboard

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/subscription"
)

// formView is the form of a new or an existing webhook.
type formView struct {
	ID, Name, Action, Cancel string
	ETag                     string // the version that was read; a change in between is noticed
	Once                     string // makes sending a new webhook's form twice create one
	URL, Description         string
	All, Enabled             bool
	Types                    []typeChoice
	Timeout                  time.Duration
	Errors                   map[string]string // by field
	Error                    string            // of no field
}

type typeChoice struct {
	Name, Description string
	Checked           bool
	Example           *body
}

func (d *dashboard) newPage(v *visit) error {
	return v.showForm(http.StatusOK, &formView{Enabled: true, Once: rand.Text()}, nil)
}

func (d *dashboard) editPage(v *visit) error {
	w, err := v.Webhooks.Webhook(v.r.Context(), v.workspace, v.id())
	if err != nil {
		return err
	}
	f := &formView{
		ID: w.ID, Name: webhookName(&w), ETag: strconv.FormatInt(w.Version, 10), URL: w.URL, Description: w.Description, Enabled: w.Enabled,
	}
	return v.showForm(http.StatusOK, f, w.EventTypes)
}

// showForm renders the form with these event types checked.
func (v *visit) showForm(status int, f *formView, types []string) error {
	f.Timeout = v.cfg.DeliveryTimeout
	f.Action, f.Cancel = v.base()+"/webhooks", v.base()+"/webhooks"
	title := "Create a webhook"
	if f.ID != "" {
		title = "Edit " + f.Name
		f.Cancel = v.webhookHref(f.ID)
		f.Action = f.Cancel + "/edit"
	}
	f.All = slices.Contains(types, "*")
	known := v.Catalogue()
	for _, t := range known.Types() {
		choice := typeChoice{Name: t.Name, Description: t.Description, Checked: slices.Contains(types, t.Name)}
		if len(t.Example) > 0 && len(t.Example) <= maxExample {
			choice.Example = new(newBody(t.Example, true))
		}
		f.Types = append(f.Types, choice)
	}
	for _, t := range types { // a beginning such as Conversation*, or a type that is no longer listed
		if t != "*" && known.Lookup(t) == nil {
			f.Types = append(f.Types, typeChoice{Name: t, Checked: true})
		}
	}
	p := v.frame(title, "webhooks")
	p.C = f
	return v.views.render(v.w, status, "form", p)
}

// maxExample is how large an example the form shows, in bytes.
const maxExample = 8 << 10

// readForm takes what the reader entered.
func (v *visit) readForm() (f *formView, types []string) {
	r := v.r
	f = &formView{
		ID: r.PathValue("id"), ETag: r.PostFormValue("etag"), Once: r.PostFormValue("once"),
		URL: strings.TrimSpace(r.PostFormValue("url")), Description: strings.TrimSpace(r.PostFormValue("description")),
		Enabled: r.PostFormValue("enabled") == "true", Errors: map[string]string{},
	}
	types = r.PostForm["event_types"]
	if slices.Contains(types, "*") {
		types = []string{"*"}
	}
	return f, types
}

func (d *dashboard) create(v *visit) error {
	f, types := v.readForm()
	idem := subscription.Idempotency{}
	if f.Once != "" && len(f.Once) <= maxOnce {
		content := strings.Join(append([]string{f.URL, f.Description, strconv.FormatBool(f.Enabled)}, types...), "\x00")
		idem = subscription.Idempotency{Key: "form-" + f.Once, Fingerprint: sha256.Sum256([]byte(content))}
	}
	created, err := v.Webhooks.Create(v.r.Context(), v.actor(), v.workspace, subscription.New{
		URL: f.URL, Description: f.Description, EventTypes: types, Disabled: !f.Enabled,
	}, idem)
	if errors.Is(err, subscription.ErrIdempotency) { // the form was changed and sent again: it is another webhook
		f.Once = rand.Text()
		f.Error = "This form was sent before. Save again to create another webhook."
		return v.showForm(http.StatusConflict, f, types)
	}
	if err != nil {
		return v.refuse(f, types, err)
	}
	return v.say("created", v.webhookHref(created.Webhook.ID))
}

// maxOnce is longer than what the form brings along.
const maxOnce = 64

func (d *dashboard) edit(v *visit) error {
	f, types := v.readForm()
	version, err := strconv.ParseInt(f.ETag, 10, 64)
	if err != nil || version < 0 {
		version = 0
	}
	w, err := v.Webhooks.Update(v.r.Context(), v.actor(), v.workspace, f.ID, subscription.Patch{
		URL: &f.URL, Description: &f.Description, EventTypes: &types, Enabled: &f.Enabled,
	}, version)
	if err != nil {
		f.Name = f.URL
		return v.refuse(f, types, err)
	}
	return v.say("saved", v.webhookHref(w.ID))
}

// refuse shows the form again with what was entered and what is wrong with it.
func (v *visit) refuse(f *formView, types []string, err error) error {
	status := http.StatusUnprocessableEntity
	invalid, isInvalid := errors.AsType[subscription.Invalid](err)
	switch {
	case isInvalid:
		for _, fault := range invalid {
			f.note(fault)
		}
	case errors.Is(err, subscription.ErrVersion):
		status = http.StatusConflict
		f.Error, f.ETag = "Somebody changed this webhook in the meantime. Look at the values; Save overwrites theirs.", ""
	case errors.Is(err, subscription.ErrLimit):
		status = http.StatusConflict
		f.Error = "This workspace has as many webhooks as it may have. Delete one, or ask the operator for more."
	default:
		return err
	}
	return v.showForm(status, f, types)
}

// note puts a fault beside its field, or above the form.
func (f *formView) note(fault *subscription.FieldError) {
	field, _, _ := strings.Cut(strings.TrimPrefix(fault.Location, "body."), "[")
	text := upperFirst(fault.Message) + "."
	switch field {
	case "url", "description", "event_types":
		f.Errors[field] = text
	default:
		f.Error = field + ": " + text
	}
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-0x20) + s[1:]
}

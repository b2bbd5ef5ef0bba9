package dashboard

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/api/auth"
	"github.com/voxagent/dispatcher/internal/subscription"
)

// formView is the form of a new or an existing webhook.
type formView struct {
	ID, Name, Action, Cancel string
	Try                      string // where the filter is tried; empty: the reader's key may not see events
	ETag                     string // the version that was read; a change in between is noticed
	Once                     string // makes sending a new webhook's form twice create one
	URL, Description         string
	All, Enabled             bool
	Types                    []typeChoice
	More                     bool // there is something to see below "More options"
	moreOptions
	Trial   *trial
	Timeout time.Duration
	Errors  map[string]string // by field
	Error   string            // of no field
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
		ID: w.ID, Name: webhookName(&w), ETag: etag(&w), URL: w.URL, Description: w.Description, Enabled: w.Enabled,
		moreOptions: optionsOf(&w),
	}
	return v.showForm(http.StatusOK, f, w.EventTypes)
}

// showForm renders the form with these event types checked.
func (v *visit) showForm(status int, f *formView, types []string) error {
	f.Timeout = v.cfg.DeliveryTimeout
	f.Action, f.Cancel, f.Try = v.base()+"/webhooks", v.base()+"/webhooks", v.base()+"/webhooks/new"
	title := "Create a webhook"
	if f.ID != "" {
		title = "Edit " + f.Name
		f.Cancel = v.webhookHref(f.ID)
		f.Action = f.Cancel + "/edit"
		f.Try = f.Action + "/try"
	}
	if !v.principal.Scopes.Has(auth.Read) {
		f.Try = ""
	}
	f.More = f.used() || f.Errors["filter"] != "" || f.Errors["headers"] != ""
	f.withEmptyRows()
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
	f.moreOptions = readOptions(r.PostForm)
	types = r.PostForm["event_types"]
	if slices.Contains(types, "*") {
		types = []string{"*"}
	}
	return f, types
}

func (d *dashboard) create(v *visit) error {
	f, types := v.readForm()
	if !f.complete() {
		return v.showForm(http.StatusUnprocessableEntity, f, types)
	}
	n := subscription.New{
		URL: f.URL, Description: f.Description, EventTypes: types, Disabled: !f.Enabled,
		Filter: f.Filter, MaxPerSecond: f.rate(), Headers: f.headers(),
	}
	idem := subscription.Idempotency{}
	if f.Once != "" && len(f.Once) <= maxOnce {
		content := fmt.Appendf(nil, "%q %q %q %t %q %v %q", n.URL, n.Description, n.EventTypes, n.Disabled, n.Filter, n.MaxPerSecond, n.Headers)
		idem = subscription.Idempotency{Key: "form-" + f.Once, Fingerprint: sha256.Sum256(content)}
	}
	created, err := v.Webhooks.Create(v.r.Context(), v.actor(), v.workspace, n, idem)
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
	if !f.complete() {
		f.Name = f.URL
		return v.showForm(http.StatusUnprocessableEntity, f, types)
	}
	rate := f.rate()
	w, err := v.Webhooks.Update(v.r.Context(), v.actor(), v.workspace, f.ID, subscription.Patch{
		URL: &f.URL, Description: &f.Description, EventTypes: &types, Enabled: &f.Enabled,
		Filter: &f.Filter, MaxPerSecond: &rate, Headers: f.patch(),
	}, versionOf(f.ETag))
	if err != nil {
		f.Name = f.URL
		return v.refuse(f, types, err)
	}
	return v.say("saved", v.webhookHref(w.ID))
}

// etag is what a form carries of the webhook that it shows.
func etag(w *subscription.Webhook) string { return strconv.FormatInt(w.Version, 10) }

// versionOf is the version that a form was made for; 0, any, without a good one.
func versionOf(etag string) int64 {
	version, err := strconv.ParseInt(etag, 10, 64)
	if err != nil || version < 0 {
		return 0
	}
	return version
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
	field, name, _ := strings.Cut(strings.TrimPrefix(fault.Location, "body."), ".")
	field, _, _ = strings.Cut(field, "[")
	text := upperFirst(fault.Message) + "."
	switch field {
	case "url", "description", "event_types", "filter":
		f.Errors[field] = text
	case "max_per_second":
		f.Errors[field] = upperFirst(strings.TrimSuffix(fault.Message, ", or null")) + ". Leave it empty for no limit."
	case "headers":
		f.noteHeader(name, fault.Message)
	default:
		f.Error = field + ": " + text
	}
}

// noteHeader puts a fault beside the header with this name, or above all of them.
func (f *formView) noteHeader(name, message string) {
	i := slices.IndexFunc(f.Headers, func(row headerRow) bool { return row.Name == name })
	switch {
	case name == "":
		f.Errors["headers"] = "They " + message + "."
	case i < 0: // its name was cut: it is too long
		f.Errors["headers"] = plain(name) + " " + message + "."
	default:
		f.Headers[i].Error = plain(name) + " " + message + "."
	}
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-0x20) + s[1:]
}

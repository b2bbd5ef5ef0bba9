package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/internal/fanout/delivery"
	"github.com/voxagent/dispatcher/internal/subscription"
	"github.com/voxagent/dispatcher/pkg/event"
)

type webhooksCmd struct {
	Export webhooksExportCmd `cmd:"" help:"Write webhooks as JSON lines, with their secrets in the clear: keep the file as you keep those."`
	Import webhooksImportCmd `cmd:"" help:"Create webhooks from JSON lines, with their ids, secrets and times. What is there already stays as it is."`
}

// webhookLine is a webhook in the files of export and import.
type webhookLine struct {
	ID                string            `json:"id"`
	WorkspaceID       string            `json:"workspace_id"`
	URL               string            `json:"url"`
	Description       string            `json:"description,omitempty"`
	EventTypes        []string          `json:"event_types"`
	Enabled           *bool             `json:"enabled,omitempty"`         // absent: true
	DisabledReason    string            `json:"disabled_reason,omitempty"` // absent where enabled is false: operator
	MaxPerSecond      float64           `json:"max_per_second,omitempty"`
	Filter            string            `json:"filter,omitempty"`
	Headers           map[string]string `json:"headers,omitempty"`
	Secret            string            `json:"secret"`
	PreviousSecret    string            `json:"previous_secret,omitempty"`
	PreviousExpiresAt time.Time         `json:"previous_expires_at,omitzero"`
	CreatedAt         time.Time         `json:"created_at,omitzero"` // absent: now

	// What the API shows besides. Import takes it, so that an answer of the API with the secret added is a line, and makes
	// nothing of it.
	Health       json.RawMessage `json:"health,omitempty"`
	FailingSince json.RawMessage `json:"failing_since,omitempty"`
	UpdatedAt    json.RawMessage `json:"updated_at,omitempty"`
}

func lineOf(p *subscription.Portable) *webhookLine {
	l := &webhookLine{
		ID: p.ID, WorkspaceID: p.WorkspaceID, URL: p.URL, Description: p.Description, EventTypes: p.EventTypes, Enabled: &p.Enabled,
		DisabledReason: string(p.DisabledReason), MaxPerSecond: p.MaxPerSecond, Filter: p.Filter, Secret: string(p.Secrets.Current),
		PreviousSecret: string(p.Secrets.Previous), PreviousExpiresAt: p.Secrets.PreviousExpiresAt, CreatedAt: p.CreatedAt,
	}
	if len(p.Headers) > 0 {
		l.Headers = map[string]string{}
		for _, h := range p.Headers {
			l.Headers[h[0]] = h[1]
		}
	}
	return l
}

func (l *webhookLine) portable() *subscription.Portable {
	p := &subscription.Portable{
		ID: l.ID, WorkspaceID: l.WorkspaceID, URL: l.URL, Description: l.Description, EventTypes: l.EventTypes,
		Enabled: l.Enabled == nil || *l.Enabled, DisabledReason: subscription.DisabledReason(l.DisabledReason), MaxPerSecond: l.MaxPerSecond,
		Filter: l.Filter, CreatedAt: l.CreatedAt, Secrets: subscription.Secrets{
			Current: fanout.Secret(l.Secret), Previous: fanout.Secret(l.PreviousSecret), PreviousExpiresAt: l.PreviousExpiresAt,
		},
	}
	if !p.Enabled && p.DisabledReason == "" {
		p.DisabledReason = subscription.DisabledByOperator
	}
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		p.Headers = append(p.Headers, event.Header{name, l.Headers[name]})
	}
	return p
}

// storeFlags are what a command needs to get at webhooks by itself.
type storeFlags struct {
	databaseFlags
	keyFlags
}

// store opens the webhooks, which cfg judges.
func (f *storeFlags) store(ctx context.Context, cfg subscription.Config) (_ *subscription.Store, closeAll func() error, err error) {
	ring, err := f.ring()
	if err != nil {
		return nil, nil, err
	}
	d, err := f.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	store, err := subscription.NewStore(d.webhooks, ring, cfg)
	if err = errors.Join(err, d.webhooks.Check(ctx, subscription.Migrations())); err != nil {
		return nil, nil, errors.Join(err, d.close())
	}
	return store, d.close, nil
}

// movingFlags are those of export and import.
type movingFlags struct {
	storeFlags
	Actor string `placeholder:"NAME" help:"Who does it, for the audit log."`
}

func (f *movingFlags) actor() subscription.Actor {
	return subscription.Actor{KeyID: "command line", Name: f.Actor, Operator: true}
}

type webhooksExportCmd struct {
	movingFlags
	Workspace string `placeholder:"ID" help:"Only this workspace's."`
	File      string `arg:"" optional:"" help:"File to write, for its owner alone; - or nothing for standard output."`
}

// Run is `dispatcher webhooks export`.
func (c *webhooksExportCmd) Run(ctx context.Context, s streams) (err error) {
	store, closeAll, err := c.store(ctx, acceptAll())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	var n int
	if c.File == "" || c.File == "-" {
		n, err = c.write(ctx, store, s.out)
	} else {
		n, err = c.writeFile(ctx, store)
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(s.err, "%d webhooks exported\n", n)
	return nil
}

// writeFile writes a new file.
func (c *webhooksExportCmd) writeFile(ctx context.Context, store *subscription.Store) (n int, err error) {
	file, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err = c.write(ctx, store, file)
	return n, errors.Join(err, file.Sync(), file.Close())
}

func (c *webhooksExportCmd) write(ctx context.Context, store *subscription.Store, out io.Writer) (n int, err error) {
	lines := bufio.NewWriterSize(out, 1<<16)
	encode := json.NewEncoder(lines)
	encode.SetEscapeHTML(false)
	err = store.Export(ctx, c.actor(), c.Workspace, func(p *subscription.Portable) error {
		n++
		return encode.Encode(lineOf(p))
	})
	return n, errors.Join(err, lines.Flush())
}

// acceptAll is the configuration of a store that judges nothing: what is there was accepted before.
func acceptAll() subscription.Config {
	return subscription.Config{
		CheckURL: func(string) error { return nil }, CheckHeader: func(string, string) error { return nil },
		EventTypes: func() []string { return nil },
	}
}

type webhooksImportCmd struct {
	movingFlags
	webhookFlags
	DryRun bool   `help:"Only say what is wrong."`
	File   string `arg:"" optional:"" help:"File to read; - or nothing for standard input."`
}

// importBatch is how many webhooks one transaction creates.
const importBatch = 200

// Run is `dispatcher webhooks import`. What is wrong is said for each line, and does not keep the others from being imported.
func (c *webhooksImportCmd) Run(ctx context.Context, s streams) (err error) {
	if err := c.validate(); err != nil {
		return err
	}
	cfg, err := c.judge()
	if err != nil {
		return err
	}
	store, closeAll, err := c.store(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	in, err := openInput(c.File, s.in)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	i := &importing{store: store, actor: c.actor(), dryRun: c.DryRun, errs: s.err}
	for doc, err := range documents(in) {
		if err != nil {
			return err
		}
		if err := i.add(ctx, doc); err != nil {
			return err
		}
	}
	if err := i.flush(ctx); err != nil {
		return err
	}
	return i.result(s.out)
}

// judge is the configuration of a store that judges as the API of a dispatcher with the same flags does.
func (f *webhookFlags) judge() (subscription.Config, error) {
	rules, err := delivery.NewRules(f.rules())
	if err != nil {
		return subscription.Config{}, err
	}
	types, err := f.catalogue()
	if err != nil {
		return subscription.Config{}, err
	}
	return subscription.Config{
		CheckURL: rules.CheckURL, CheckHeader: rules.CheckHeader, EventTypes: types.Names,
		MaxEventTypes: f.MaxEventTypes, MaxURLBytes: f.MaxURLBytes,
	}, nil
}

// importing is one run of import.
type importing struct {
	store  *subscription.Store
	actor  subscription.Actor
	dryRun bool
	errs   io.Writer

	batch   []*subscription.Portable
	lines   []int
	good    int // in a dry run
	refused int
	became  [3]int // by subscription.Imported
}

// add judges a line and imports it with the others of its batch.
func (i *importing) add(ctx context.Context, doc document) error {
	line, err := parseLine(doc.value)
	if err != nil {
		i.refuse(doc.line, "", err)
		return nil
	}
	p := line.portable()
	for _, err := range []error{i.store.CheckImport(p), line.hidden()} {
		if err != nil {
			i.refuse(doc.line, line.ID, err)
			return nil
		}
	}
	i.batch, i.lines = append(i.batch, p), append(i.lines, doc.line)
	if len(i.batch) < importBatch {
		return nil
	}
	return i.flush(ctx)
}

// parseLine reads one webhook. What a second reader could take for another one is refused: a name that is there twice, in
// whatever case, also of a header, and a second webhook behind the first. No error repeats a value.
func parseLine(value []byte) (*webhookLine, error) {
	line := &webhookLine{}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(line); err != nil {
		return nil, withoutValues(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the webhook: want one a line")
	}
	if err := onceEach(value); err != nil {
		return nil, err
	}
	for name, headers := range event.Members(value) {
		if strings.EqualFold(name, "headers") {
			return line, onceEach(headers)
		}
	}
	return line, nil
}

// onceEach refuses an object that has a name twice. Names are the same as the decoder has it: in whatever case, and with the
// letters beyond ASCII that fold to one.
func onceEach(object []byte) error {
	var seen []string
	for name := range event.Members(object) {
		if i := slices.IndexFunc(seen, func(s string) bool { return strings.EqualFold(s, name) }); i >= 0 {
			return fmt.Errorf("%s: is there twice; case makes no difference", seen[i])
		}
		seen = append(seen, name)
	}
	return nil
}

// hidden refuses header values as the API shows them, which are not those that receivers expect.
func (l *webhookLine) hidden() error {
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		if l.Headers[name] == "***" {
			return subscription.Invalid{{Location: "body.headers." + name, Message: "*** is what the API shows in place of the value"}}
		}
	}
	return nil
}

// withoutValues is a decoder's error, which for a value of the wrong type repeats what may be a secret.
func withoutValues(err error) error {
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && typed.Field == "" {
		return errors.New("want a webhook: a JSON object")
	} else if ok {
		return fmt.Errorf("%s: want %s", typed.Field, typed.Type)
	}
	if _, ok := errors.AsType[*time.ParseError](err); ok {
		return errors.New("a time is not as RFC 3339 has it")
	}
	return err
}

func (i *importing) refuse(line int, id string, err error) {
	i.refused++
	where := fmt.Sprintf("line %d", line)
	if id != "" {
		where += " (" + id + ")"
	}
	invalid, ok := errors.AsType[subscription.Invalid](err)
	if !ok {
		_, _ = fmt.Fprintf(i.errs, "%s: %v\n", where, err)
		return
	}
	for _, fault := range invalid {
		_, property, _ := strings.Cut(fault.Location, ".")
		_, _ = fmt.Fprintf(i.errs, "%s: %s: %s\n", where, property, fault.Message)
	}
}

func (i *importing) flush(ctx context.Context) error {
	if i.dryRun {
		i.good += len(i.batch)
		i.batch, i.lines = i.batch[:0], i.lines[:0]
		return nil
	}
	results, err := i.store.Import(ctx, i.actor, i.batch)
	if err != nil {
		return fmt.Errorf("lines %d to %d: %w", i.lines[0], i.lines[len(i.lines)-1], err)
	}
	for n, became := range results {
		i.became[became]++
		if became == subscription.ImportDifferent {
			_, _ = fmt.Fprintf(i.errs, "line %d (%s): is there already and differs; it was left as it is\n", i.lines[n], i.batch[n].ID)
		}
	}
	i.batch, i.lines = i.batch[:0], i.lines[:0]
	return nil
}

// result tells what became of all; it is an error when a line was refused.
func (i *importing) result(out io.Writer) error {
	if i.dryRun {
		_, _ = fmt.Fprintf(out, "%d webhooks could be imported, %d refused\n", i.good, i.refused)
	} else {
		_, _ = fmt.Fprintf(out, "%d webhooks imported, %d were there already, %d of them different; %d refused\n",
			i.became[subscription.ImportCreated], i.became[subscription.ImportUnchanged]+i.became[subscription.ImportDifferent],
			i.became[subscription.ImportDifferent], i.refused)
	}
	if i.refused > 0 {
		return fmt.Errorf("%d lines were refused", i.refused)
	}
	return nil
}

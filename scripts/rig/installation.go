package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
	"github.com/voxagent/dispatcher/internal/sqldb"
)

// OperatorKey is that of every installation.
const OperatorKey = "operator-key-of-a-measurement"

// Installation is topics, a schema and Redis keys that no other run has, on the services that the DISPATCHER_TEST
// variables name, and the environment in which commands of the dispatcher find them.
type Installation struct {
	Program string
	Brokers string

	prefix   string // of the topics and groups
	database string // with the schema as its search path
	schema   string
	env      []string
	topics   []string // that Topics created
}

// Webhook is one to be created: of the workspace, for events of Types.
type Webhook struct {
	Workspace, URL string
	Types          string // an event type, a prefix and *, or *
}

// New names an installation; nothing is created. what is the first part of its names.
func New(program, what string) (*Installation, error) {
	var missing []error
	service := func(name string) string {
		v := os.Getenv(name)
		if v == "" {
			missing = append(missing, fmt.Errorf("%s is not set: use make, which starts the services", name))
		}
		return v
	}
	prefix := what + "-" + Name()
	database, sep := service("DISPATCHER_TEST_DATABASE"), "?"
	if strings.Contains(database, "?") {
		sep = "&"
	}
	i := &Installation{
		Program: program, Brokers: service("DISPATCHER_TEST_KAFKA"), schema: strings.ReplaceAll(prefix, "-", "_"),
	}
	i.database = database + sep + "search_path=" + i.schema
	i.env = append(os.Environ(),
		"DISPATCHER_KAFKA_BROKERS="+i.Brokers, "DISPATCHER_DATABASE_URL="+i.database,
		"DISPATCHER_REDIS_URL="+service("DISPATCHER_TEST_REDIS"), "DISPATCHER_REDIS_PREFIX="+prefix,
		"DISPATCHER_ENCRYPTION_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"DISPATCHER_OPERATOR_KEY="+OperatorKey, "DISPATCHER_KAFKA_START=earliest",
		"DISPATCHER_ALLOWED_NETWORKS=127.0.0.0/8", "DISPATCHER_HTTP_ADDR=127.0.0.1:0", "DISPATCHER_OPS_ADDR=127.0.0.1:0",
	)
	i.named(prefix)
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	return i, nil
}

// Name is one that no other has.
func Name() string { return strings.ToLower(rand.Text()[:10]) }

func (i *Installation) named(prefix string) {
	i.prefix = prefix
	i.env = append(i.env, "DISPATCHER_KAFKA_PREFIX="+prefix)
}

// WithTopics is the same installation with topics and groups of its own: what one run leaves on the ladder or in its
// groups' offsets is not there for the next, while webhooks are.
func (i *Installation) WithTopics(suffix string) *Installation {
	other := *i
	other.topics, other.env = nil, append([]string(nil), i.env...)
	other.named(i.prefix + "-" + suffix)
	return &other
}

// Topic is the name of one of the installation's topics, such as conversation.events.
func (i *Installation) Topic(suffix string) string { return i.prefix + "." + suffix }

// EventsGroup is the group that reads the source topics.
func (i *Installation) EventsGroup() string { return i.prefix + "-dispatcher" }

// Command is a command of the dispatcher, not started. When ctx ends it gets SIGTERM, and 20 s to follow it.
func (i *Installation) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, i.Program, args...)
	cmd.Env = i.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	return cmd
}

// run runs a command to its end and returns what it printed.
func (i *Installation) run(ctx context.Context, args ...string) (string, error) {
	out, err := i.Command(ctx, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("dispatcher %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Topics creates the topics.
func (i *Installation) Topics(ctx context.Context) error {
	out, err := i.run(ctx, "topics", "create", "--with-sources")
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "created "); ok {
			i.topics = append(i.topics, name)
		}
	}
	return err
}

// Import creates the webhooks that write writes, as lines of `webhooks export`.
func (i *Installation) Import(ctx context.Context, write func(w io.Writer) error) error {
	cmd := i.Command(ctx, "webhooks", "import", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	err = errors.Join(write(in), in.Close())
	if err := errors.Join(cmd.Wait(), err); err != nil {
		return fmt.Errorf("import: %w\n%s", err, out.Bytes())
	}
	return nil
}

// Prepare makes schema, topics and webhooks.
func (i *Installation) Prepare(ctx context.Context, hooks []Webhook) error {
	if _, err := i.run(ctx, "migrate"); err != nil {
		return err
	}
	if err := i.Topics(ctx); err != nil {
		return err
	}
	api := i.Command(ctx, "serve", "--roles", "api")
	out := &watched{}
	api.Stdout, api.Stderr = out, out
	if err := api.Start(); err != nil {
		return err
	}
	defer func() {
		_ = api.Process.Signal(syscall.SIGTERM)
		_ = api.Wait()
	}()
	addr, err := out.after(ctx, `"api":"`)
	if err != nil {
		return err
	}
	return create(ctx, "http://"+addr, hooks)
}

// create makes the webhooks, some at a time.
func create(ctx context.Context, api string, hooks []Webhook) error {
	const atOnce = 8
	var wg sync.WaitGroup
	errs := make([]error, atOnce)
	for k := range atOnce {
		wg.Go(func() {
			for n := k; n < len(hooks) && errs[k] == nil; n += atOnce {
				h := &hooks[n]
				body := fmt.Appendf(nil, `{"url":%q,"event_types":[%q]}`, h.URL, h.Types)
				_, errs[k] = Call(ctx, http.MethodPost, api+"/v1/workspaces/"+h.Workspace+"/webhooks", OperatorKey, body)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// RemoveTopics deletes the topics that this installation created. It also works after ctx ended.
func (i *Installation) RemoveTopics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	client, err := i.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	return client.DeleteTopics(ctx, i.topics...)
}

// Client is a connection to Kafka; the caller closes it.
func (i *Installation) Client() (*kafka.Client, error) {
	return kafka.New(kafka.Config{Brokers: strings.Split(i.Brokers, ","), ClientID: i.prefix, Topics: i.topics}, nil)
}

// Remove deletes topics and schema. Redis forgets by itself.
func (i *Installation) Remove(ctx context.Context) error {
	err := i.RemoveTopics(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	db, dbErr := sqldb.Open(ctx, i.database, sqldb.Options{})
	if dbErr != nil {
		return errors.Join(err, dbErr)
	}
	_, dropErr := db.Exec(ctx, `DROP SCHEMA IF EXISTS `+i.schema+` CASCADE`)
	return errors.Join(err, dropErr, db.Close())
}

// Call makes one HTTP call, with key as bearer token unless it is empty, and returns the answer's body.
func Call(ctx context.Context, method, url, key string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return answer(req)
}

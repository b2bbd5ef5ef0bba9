package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/voxagent/dispatcher/internal/kafka"
)

// published is an event that Kafka acknowledged.
type published struct {
	id        string
	workspace string
	bodyHash  [32]byte // of the body that its receivers must get
}

// workspace is a tenant of a round with its webhooks.
type workspace struct {
	id    string
	share int // of a hundred events
	hooks []hook
}

// hook is a webhook of a round.
type hook struct {
	id   string // webhook id
	name string // in the receiver's URL
	does behaviour
}

// plan is the tenants of every round: what share of the events each gets and how its receivers behave.
var plan = []struct {
	share int
	does  []behaviour
}{
	{45, []behaviour{healthy, healthy}},
	{25, []behaviour{healthy, flaky}},
	{20, []behaviour{hanging, healthy}},
	{6, []behaviour{slow, healthy}},
	{4, []behaviour{failing, healthy}},
}

// makeWebhooks creates a round's webhooks through the API.
func (w *world) makeWebhooks(ctx context.Context, round string) ([]workspace, error) {
	made := make([]workspace, len(plan))
	for i, p := range plan {
		made[i] = workspace{id: fmt.Sprintf("ws_%s_%d", round, i), share: p.share}
		for j, does := range p.does {
			name := fmt.Sprintf("%s-%d-%d", round, i, j)
			body, err := json.Marshal(map[string]any{"url": w.receiver.add(name, does), "event_types": []string{"*"}})
			if err != nil {
				return nil, err
			}
			url := fmt.Sprintf("%s/v1/workspaces/%s/webhooks", w.dispatchers[0].api, made[i].id)
			answer, err := call(ctx, "POST", url, operatorKey, bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			var created struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(answer, &created); err != nil {
				return nil, fmt.Errorf("create webhook: %w", err)
			}
			made[i].hooks = append(made[i].hooks, hook{id: created.ID, name: name, does: does})
		}
	}
	return made, nil
}

// sizes of the padding in events, in bytes, and how often of a thousand: about 1 KB, a transcript, a long one.
var sizes = []struct{ bytes, of int }{{600, 900}, {30_000, 97}, {300_000, 3}}

// publisher publishes a round's events.
type publisher struct {
	topics   [2]string // of conversations and of sessions
	producer *kafka.Producer
	mu       sync.Mutex
	acked    []published
	refused  error
}

// publish spreads n events evenly over the time and returns those that Kafka acknowledged: all, since the producer tries
// until it does. The first lose of them are said to be acknowledged and never sent.
func (p *publisher) publish(ctx context.Context, rng *rand.Rand, round string, tenants []workspace, load *options) ([]published, error) {
	pad := bytes.Repeat([]byte("lorem ipsum dolor "), 300_000/18+1)
	begun := time.Now()
	for i := range load.events {
		at := begun.Add(load.load * time.Duration(i) / time.Duration(load.events))
		if d := time.Until(at); d > 0 {
			wait(ctx, d)
		}
		p.send(fmt.Sprintf("evt_%s_%d", round, i), drawTenant(rng, tenants), rng, pad, i < load.lose)
	}
	flush, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := p.producer.Flush(flush); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked, p.refused
}

// send hands one event over.
func (p *publisher) send(id, tenant string, rng *rand.Rand, pad []byte, lose bool) {
	topic, kind := p.topics[0], "ConversationComplete"
	if rng.IntN(5) == 0 {
		topic, kind = p.topics[1], "SessionStarted"
	}
	session := fmt.Sprintf("ses_%d", rng.IntN(500))
	data := fmt.Sprintf(`{"session_id":%q, "agent_id":"agent_1","notes":%q}`, session, pad[:drawSize(rng)])
	timestamp := time.Now().UTC().Format(time.RFC3339Nano)
	value := fmt.Sprintf(`{"workspace_id":%q,"id":%q,"event":%q,"timestamp":%q,"data":%s}`, tenant, id, kind, timestamp, data)
	body := fmt.Sprintf(`{"id":%q,"event":%q,"timestamp":%q,"data":%s}`, id, kind, timestamp, data)
	e := published{id: id, workspace: tenant, bodyHash: sha256.Sum256([]byte(body))}
	if lose {
		p.note(e, nil)
		return
	}
	p.producer.Produce(kafka.OutRecord{
		Topic: topic, Key: []byte(session), Value: []byte(value),
		Ack: kafka.AckFunc(func(err error) { p.note(e, err) }),
	})
}

func (p *publisher) note(e published, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.refused = fmt.Errorf("publish %s: %w", e.id, err)
		return
	}
	p.acked = append(p.acked, e)
}

func drawTenant(rng *rand.Rand, tenants []workspace) string {
	n := rng.IntN(100)
	for _, t := range tenants {
		if n -= t.share; n < 0 {
			return t.id
		}
	}
	return tenants[0].id
}

func drawSize(rng *rand.Rand) int {
	n := rng.IntN(1000)
	for _, s := range sizes {
		if n -= s.of; n < 0 {
			return s.bytes
		}
	}
	return sizes[0].bytes
}

// names returns the round's webhooks as the receiver calls them.
func names(tenants []workspace) map[string]bool {
	all := make(map[string]bool)
	for _, t := range tenants {
		for _, h := range t.hooks {
			all[h.name] = true
		}
	}
	return all
}

// ids returns the round's workspaces.
func ids(tenants []workspace) []any {
	all := make([]any, len(tenants))
	for i, t := range tenants {
		all[i] = t.id
	}
	return all
}

// expected is how many deliveries the events have.
func expected(tenants []workspace, events []published) int {
	hooks := make(map[string]int)
	for _, t := range tenants {
		hooks[t.id] = len(t.hooks)
	}
	n := 0
	for _, e := range events {
		n += hooks[e.workspace]
	}
	return n
}

// prefixOf is a round's part in all its names, unique among the runs that share an installation.
func prefixOf(n int, seed uint64) string { return strings.ToLower(fmt.Sprintf("r%d_%d", n, seed)) }

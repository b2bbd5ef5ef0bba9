package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tenant is a workspace with something of everything.
type tenant struct {
	workspace, key string
	rc             *receiver
	hooks          []hook              // one that takes all, one that fails, one that is gone
	ids            map[string][]string // by kind
	cursors        map[string]string   // by the path of the list, below the workspace
	// marks are texts that are in nothing but what belongs to this tenant.
	marks []string
}

// newTenant makes a workspace with webhooks, a key, deliveries that were delivered, failed and are pending, and what the
// audit log notes of all that. The program must not retry for the length of the test.
func newTenant(t *testing.T, in *installation, s *server, workspace string) *tenant {
	t.Helper()
	mark := "mark-of-" + workspace
	b := &tenant{workspace: workspace, ids: map[string][]string{}, cursors: map[string]string{}, marks: []string{workspace, mark}}
	b.rc = receive(t, func(w http.ResponseWriter, r request) {
		switch r.path {
		case "/fails":
			w.WriteHeader(http.StatusInternalServerError)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		}
		_, _ = fmt.Fprint(w, mark)
	})
	for _, path := range []string{"/works", "/fails", "/gone"} {
		var h hook
		s.call("POST", "/v1/workspaces/"+workspace+"/webhooks", map[string]any{
			"url": b.rc.URL + path, "event_types": []string{"*"}, "description": mark, "headers": map[string]string{"X-Mark": mark},
		}, 201, &h)
		b.hooks = append(b.hooks, h)
		b.marks = append(b.marks, h.Secret)
	}
	b.key = s.newKey(workspace, map[string]any{"name": mark})
	var docs []string
	for i := range 3 {
		docs = append(docs, document(fmt.Sprintf("evt_%s_%d", workspace, i), workspace, "ConversationComplete",
			fmt.Sprintf(`{"session_id":"session-%s-%d","said":%q}`, workspace, i, mark)))
	}
	in.publish(t, docs[:2]...)
	b.rc.wait(t, workspace+"'s first deliveries", 30*time.Second, func(all []request) bool {
		return slices.ContainsFunc(all, func(r request) bool { return r.path == "/gone" }) && distinct(all) == 2
	})
	in.publish(t, docs[2])
	eventually(t, 30*time.Second, func() error {
		statuses := map[string]int{}
		for _, d := range list[struct{ Status string }](s, "/v1/workspaces/"+workspace+"/deliveries") {
			statuses[d.Status]++
		}
		if statuses["succeeded"] < 3 || statuses["pending"] < 3 || statuses["failed"] < 1 {
			return fmt.Errorf("deliveries of %s: %v", workspace, statuses)
		}
		return nil
	})
	b.collect(s)
	return b
}

// newKey makes an API key.
func (s *server) newKey(workspace string, body map[string]any) string {
	s.t.Helper()
	var made struct {
		Key string `json:"key"`
	}
	s.call("POST", "/v1/workspaces/"+workspace+"/api-keys", body, 201, &made)
	return made.Key
}

// collect learns the tenant's ids and cursors from its lists.
func (b *tenant) collect(s *server) {
	s.t.Helper()
	first := "webhooks/" + b.hooks[0].ID
	for path, kind := range map[string]string{
		"webhooks": "webhook", "deliveries": "delivery", "attempts": "attempt", "events": "event", "api-keys": "key", "audit-log": "audit entry",
		first + "/attempts": "attempt", first + "/deliveries": "delivery",
	} {
		var p page[struct {
			ID      string `json:"id"`
			Session string `json:"session_id"`
		}]
		s.call("GET", "/v1/workspaces/"+b.workspace+"/"+path, nil, 200, &p)
		for _, item := range p.Data {
			b.add(kind, item.ID)
			if item.Session != "" {
				b.add("session", item.Session)
			}
		}
		s.call("GET", "/v1/workspaces/"+b.workspace+"/"+path+"?limit=1", nil, 200, &p)
		if p.Next != nil {
			b.cursors[strings.Replace(path, b.hooks[0].ID, "{id}", 1)] = *p.Next
		}
	}
	for _, kind := range []string{"webhook", "delivery", "attempt", "event", "key", "audit entry", "session"} {
		if len(b.ids[kind]) == 0 {
			s.t.Fatalf("%s has no %s", b.workspace, kind)
		}
	}
	b.marks = append(b.marks, b.key, b.rc.Listener.Addr().String())
}

func (b *tenant) add(kind, id string) {
	if !slices.Contains(b.ids[kind], id) {
		b.ids[kind] = append(b.ids[kind], id)
		b.marks = append(b.marks, id)
	}
}

// some are a few ids of each kind, what they are of in front.
func (b *tenant) some() []string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(b.ids)) {
		out = append(out, b.ids[kind][:min(2, len(b.ids[kind]))]...)
	}
	return out
}

// unlike is an id of the same form that nothing has.
func unlike(id string) string {
	const nothing = "0000"
	return id[:len(id)-len(nothing)] + nothing
}

// state is all that others must not change: what the tenant has, and where each topic of the installation ends.
func (b *tenant) state(s *server, broker, prefix string) string {
	s.t.Helper()
	var all strings.Builder
	for _, path := range []string{"webhooks", "deliveries", "attempts", "events", "api-keys", "audit-log"} {
		a := s.try(s.key, "GET", "/v1/workspaces/"+b.workspace+"/"+path+"?limit=250", "")
		fmt.Fprintf(&all, "%s %d %s\n", path, a.status, a.body)
	}
	ends := topicEnds(s.t, broker, prefix)
	for _, topic := range slices.Sorted(maps.Keys(ends)) {
		fmt.Fprintf(&all, "%s ends at %d\n", topic, ends[topic])
	}
	fmt.Fprintf(&all, "%d requests\n", len(b.rc.requests()))
	return all.String()
}

// settled waits until the state stays the same for longer than anything in the background takes.
func (b *tenant) settled(s *server, broker, prefix string) string {
	s.t.Helper()
	const still = 2 * time.Second
	last, since := b.state(s, broker, prefix), time.Now()
	eventually(s.t, 30*time.Second, func() error {
		if now := b.state(s, broker, prefix); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) < still {
			return fmt.Errorf("%s does not come to rest", b.workspace)
		}
		return nil
	})
	return last
}

// topicEnds is the number of records that each topic with a prefix has ever had.
func topicEnds(t testing.TB, broker, prefix string) map[string]int64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrListOffsetsRequest()
	for _, topic := range admin(t, broker, kmsg.NewPtrMetadataRequest()).(*kmsg.MetadataResponse).Topics {
		if !strings.HasPrefix(*topic.Topic, prefix) {
			continue
		}
		one := kmsg.NewListOffsetsRequestTopic()
		one.Topic = *topic.Topic
		for _, p := range topic.Partitions {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = p.Partition, -1 // the end
			one.Partitions = append(one.Partitions, part)
		}
		req.Topics = append(req.Topics, one)
	}
	ends := map[string]int64{}
	for _, shard := range cl.RequestSharded(t.Context(), req) {
		if shard.Err != nil {
			t.Fatal(shard.Err)
		}
		for _, topic := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range topic.Partitions {
				ends[topic.Topic] += p.Offset
			}
		}
	}
	return ends
}

// without is the answer as text, without the time and without the ids that it was asked for.
func (r reply) without(ids ...string) string {
	header := r.header.Clone()
	header.Del("Date")
	header.Del("Content-Length")
	var text bytes.Buffer
	fmt.Fprintln(&text, r.status)
	_ = header.Write(&text)
	text.WriteString(r.body)
	out := text.String()
	for _, id := range ids {
		out = strings.ReplaceAll(out, id, "ID")
	}
	return out
}

// tells returns what of a tenant an answer holds, or "".
func (r reply) tells(b *tenant) string {
	text := r.without()
	for _, mark := range b.marks {
		escaped, _ := json.Marshal(mark) //nolint:errchkjson // a string
		if strings.Contains(text, mark) || strings.Contains(text, string(escaped[1:len(escaped)-1])) {
			return mark
		}
	}
	return ""
}

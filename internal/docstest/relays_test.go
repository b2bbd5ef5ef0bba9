package docstest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/voxagent/dispatcher/internal/testenv"
	"github.com/voxagent/dispatcher/pkg/event"
)

// relays are the programs of docs/publishing.md.
var relays = []struct{ name, directory string }{
	{"Go", "go-relay"},
	{"Python", "python-relay"},
	{"Node.js", "node-relay"},
	{"Java", "java-relay"},
}

// outbox is a database with the outbox of the page, and topics of its own.
type outbox struct {
	t      *testing.T
	url    string
	db     *pgx.Conn
	kafka  *kgo.Client
	prefix string
}

// row is one of the outbox.
type row struct{ topic, session, event string }

// partitions of each topic.
const partitions = 3

// largestBatch is what the page tells to set max.message.bytes to.
const largestBatch = 1572864

func TestRelays(t *testing.T) {
	for _, r := range relays {
		t.Run(r.name, func(t *testing.T) {
			box := newOutbox(t)
			box.topic("session.events", largestBatch)
			box.topic("conversation.events", largestBatch)
			box.write()
			rows := box.rows()

			// Twice, as after a relay that died before its commit.
			for round := 1; round <= 2; round++ {
				box.exec("UPDATE event_outbox SET published_at = NULL")
				p := box.relay(r.directory)
				p.await("publishing", 3*time.Minute, func([]string) bool { return box.unpublished() == 0 })
				p.stop()
				box.published(rows, round)
			}
			box.keepsWhatKafkaRefuses(r.directory)
		})
	}
}

// newOutbox makes the outbox by the page's own SQL.
func newOutbox(t *testing.T) *outbox {
	t.Helper()
	box := &outbox{t: t, url: testenv.Postgres(t), prefix: testenv.Prefix(t)}
	var err error
	if box.db, err = pgx.Connect(t.Context(), box.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.db.Close(context.Background()) })
	box.kafka, err = kgo.NewClient(kgo.SeedBrokers(strings.Split(testenv.Kafka(t), ",")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.kafka.Close)
	box.exec("CREATE TABLE sessions (id text PRIMARY KEY, ended_at timestamptz); INSERT INTO sessions VALUES ('ses_01JSESS0002')")
	box.exec(snippet(t, "outbox/table.sql"))
	return box
}

func (box *outbox) exec(statements string) {
	box.t.Helper()
	if _, err := box.db.Exec(box.t.Context(), statements); err != nil {
		box.t.Fatal(err)
	}
}

// topic makes one of the platform's topics under the test's prefix.
func (box *outbox) topic(name string, maxBytes int) {
	box.t.Helper()
	full := box.prefix + "." + name
	want := kmsg.NewCreateTopicsRequestTopic()
	want.Topic, want.NumPartitions, want.ReplicationFactor = full, partitions, 1
	limit := kmsg.NewCreateTopicsRequestTopicConfig()
	limit.Name, limit.Value = "max.message.bytes", new(fmt.Sprint(maxBytes))
	want.Configs = append(want.Configs, limit)
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics, create.TimeoutMillis = append(create.Topics, want), 20000
	made, err := create.RequestWith(box.t.Context(), box.kafka)
	if err == nil {
		err = kerr.ErrorForCode(made.Topics[0].ErrorCode)
	}
	if err != nil {
		box.t.Fatalf("create %s: %v", full, err)
	}
	box.t.Cleanup(func() {
		gone := kmsg.NewPtrDeleteTopicsRequest()
		entry := kmsg.NewDeleteTopicsRequestTopic()
		entry.Topic = &full
		gone.TopicNames, gone.Topics, gone.TimeoutMillis = []string{full}, append(gone.Topics, entry), 20000
		if _, err := gone.RequestWith(context.Background(), box.kafka); err != nil {
			box.t.Errorf("delete %s: %v", full, err)
		}
	})
}

// write fills the outbox: with the page's own transaction, the examples of all sizes and the largest event.
func (box *outbox) write() {
	box.t.Helper()
	box.exec(strings.ReplaceAll(snippet(box.t, "outbox/write.sql"), "'voxagent.", "'"+box.prefix+"."))
	entries, err := os.ReadDir("../../pkg/event/testdata/examples")
	if err != nil {
		box.t.Fatal(err)
	}
	for i, entry := range entries {
		text := read(box.t, "../../pkg/event/testdata/examples/"+entry.Name())
		box.insert(fmt.Sprintf("evt_example_%d", i), "ses_example", dataOf(box.t, text))
	}
	for i := range 200 { // more than a relay takes at once
		box.insert(fmt.Sprintf("evt_%d", i), fmt.Sprintf("ses_%d", i%7), strings.Replace(awkward, "ses_1", fmt.Sprintf("ses_%d", i%7), 1))
	}
	record := func(n int) string {
		return fmt.Sprintf(`{"id":"evt_big","event":"SessionStarted","workspace_id":"ws_acme","data":{"session_id":"ses_big","text":%q}}`, strings.Repeat("x", n))
	}
	fits := 1<<20 - len(record(0))
	if err := box.put("session.events", "ses_big", record(fits)); err != nil {
		box.t.Fatal(err)
	}
	var refused *pgconn.PgError
	if err := box.put("session.events", "ses_big", record(fits+1)); !errors.As(err, &refused) || refused.Code != "23514" {
		box.t.Errorf("the outbox takes an event that the dispatcher does not: %v", err)
	}
}

func dataOf(t *testing.T, document string) string {
	t.Helper()
	e, err := event.Parse([]byte(document), event.Meta{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Data)
}

// insert puts an event with this data into the outbox; its session in data is replaced.
func (box *outbox) insert(id, session, data string) {
	box.t.Helper()
	_, rest, _ := strings.Cut(data, `"session_id":"`)
	_, rest, _ = strings.Cut(rest, `"`)
	document := fmt.Sprintf(`{"id":%q,"event":"SessionStarted","workspace_id":"ws_acme","timestamp":"2026-11-23T08:00:00.123Z","data":{"session_id":%q%s}`,
		id, session, rest)
	if err := box.put("conversation.events", session, document); err != nil {
		box.t.Fatal(err)
	}
}

func (box *outbox) put(topic, session, document string) error {
	_, err := box.db.Exec(box.t.Context(), "INSERT INTO event_outbox (topic, session_id, event) VALUES ($1, $2, $3)",
		box.prefix+"."+topic, session, document)
	return err
}

func (box *outbox) rows() []row {
	box.t.Helper()
	found, err := box.db.Query(box.t.Context(), "SELECT topic, session_id, event FROM event_outbox ORDER BY seq")
	if err != nil {
		box.t.Fatal(err)
	}
	rows, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (one row, err error) {
		return one, r.Scan(&one.topic, &one.session, &one.event)
	})
	if err != nil {
		box.t.Fatal(err)
	}
	return rows
}

func (box *outbox) unpublished() (n int) {
	box.t.Helper()
	query := "SELECT count(*) FROM event_outbox WHERE published_at IS NULL"
	if err := box.db.QueryRow(box.t.Context(), query).Scan(&n); err != nil {
		box.t.Fatal(err)
	}
	return n
}

// relay starts a program of the page on this outbox.
func (box *outbox) relay(directory string) *program {
	box.t.Helper()
	part := fetched(box.t)
	folder := layOut(box.t, directory, part)
	if strings.HasPrefix(directory, "go-") {
		goModule(box.t, folder)
	}
	_, command := split(snippet(box.t, directory+"/run.sh"))
	return start(box.t, command, folder, environment(part,
		"DATABASE_URL="+box.url, "JDBC_URL="+jdbc(box.t, box.url), "KAFKA_BROKERS="+testenv.Kafka(box.t)))
}

// jdbc is a database's URL as Java's driver wants it.
func jdbc(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal("the database's URL cannot be parsed")
	}
	password, _ := u.User.Password()
	query := u.Query()
	query.Set("user", u.User.Username())
	query.Set("password", password)
	return "jdbc:postgresql://" + u.Host + u.Path + "?" + query.Encode()
}

// published checks that Kafka has each row as often as rounds were made, each session's in order, with the row's bytes.
func (box *outbox) published(rows []row, rounds int) {
	box.t.Helper()
	got := make(map[string][]string) // topic and key to the values, in order
	for _, r := range box.read(rounds * len(rows)) {
		if r.ProducerID < 0 {
			box.t.Errorf("%s: by a producer without idempotence", r.Key)
		}
		var data struct {
			SessionID string `json:"session_id"`
		}
		e, err := event.Parse(r.Value, event.Meta{Topic: r.Topic}, 1<<20)
		if err != nil {
			box.t.Fatalf("%.200s: %v", r.Value, err)
		}
		if err := json.Unmarshal(e.Data, &data); err != nil || data.SessionID != string(r.Key) {
			box.t.Errorf("%s: key %s, session %s, %v", e.ID, r.Key, data.SessionID, err)
		}
		at := r.Topic + " " + string(r.Key)
		if p := partition(r); r.Partition != p && len(got[at]) == 0 {
			box.t.Errorf("session %s is in partition %d, other clients have it in %d", r.Key, r.Partition, p)
		}
		got[at] = append(got[at], string(r.Value))
	}
	want := make(map[string][]string)
	for range rounds {
		for _, r := range rows {
			want[r.topic+" "+r.session] = append(want[r.topic+" "+r.session], r.event)
		}
	}
	for at, values := range want {
		if !slices.Equal(got[at], values) {
			box.t.Errorf("%s: %d records, %d rows, and not the same", at, len(got[at]), len(values))
		}
	}
	if len(got) != len(want) {
		box.t.Errorf("%d sessions in Kafka, %d in the outbox", len(got), len(want))
	}
}

// partition is where Kafka's own client puts a record's key, and so all relays have to.
func partition(r *kgo.Record) int32 {
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic(r.Topic).Partition(r, partitions)) //nolint:gosec // one of three
}

// read returns all records of the topics; there must be n.
func (box *outbox) read(n int) []*kgo.Record {
	box.t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(testenv.Kafka(box.t), ",")...), kgo.ConsumeRegex(),
		kgo.ConsumeTopics("^"+box.prefix+`\.`), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		box.t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(box.t.Context(), time.Minute)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		all = append(all, reader.PollFetches(ctx).Records()...)
		if ctx.Err() != nil {
			box.t.Fatalf("%d of %d records", len(all), n)
		}
	}
	return all
}

// keepsWhatKafkaRefuses: a relay that gets an error marks nothing and ends with it.
func (box *outbox) keepsWhatKafkaRefuses(directory string) {
	box.t.Helper()
	box.topic("narrow", 200)
	random := make([]byte, 1000) // compressed, it is still more than the topic takes
	_, _ = rand.Read(random)
	if err := box.put("narrow", "ses_1", fmt.Sprintf(`{"id":"evt_refused","text":"%x"}`, random)); err != nil {
		box.t.Fatal(err)
	}
	p := box.relay(directory)
	select {
	case <-p.ended:
		if p.err == nil {
			box.t.Error("the relay ended well although Kafka refused a record")
		}
	case <-time.After(3 * time.Minute):
		box.t.Error("the relay goes on although Kafka refused a record")
	}
	if n := box.unpublished(); n != 1 {
		box.t.Errorf("%d rows are still to be published, wanted the refused one", n)
	}
}

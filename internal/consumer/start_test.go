package consumer

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/voxagent/dispatcher/internal/kafka"
)

func TestLatestBeginsAtTheEndAndHoldsThroughAKill(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(100)
		a := newHands()
		ca := w.start(Config{Start: kafka.Latest}, a)
		ca.joined(4)
		time.Sleep(time.Second)
		ca.kill()
		w.write(40) // while nobody is there
		b := newHands()
		cb := w.start(Config{Start: kafka.Latest}, b)
		b.await(t, 40)
		cb.stop()
		w.expectOnce(40, b)
		w.expectCommitted(35, 35, 35, 35)
	})
}

func TestStartAtATime(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(100)
		time.Sleep(time.Second)
		at := time.Now()
		w.write(40)
		h := newHands()
		c := w.start(Config{Start: kafka.At(at)}, h)
		h.await(t, 40)
		c.stop()
		w.expectOnce(40, h)
	})
}

func TestAddedPartitionsBeginAtTheirFirstOffset(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		h := newHands()
		c := w.start(Config{Start: kafka.Latest, Watch: 30 * time.Second}, h)
		c.joined(4)
		w.addPartitions(6)
		p := kafka.NewProducer(w.client, kafka.ProducerConfig{}, nil)
		ended := make(chan error, 1)
		go func() { ended <- p.Run(w.Context()) }()
		p.Produce(kafka.OutRecord{Topic: "t", Explicit: true, Partition: 5, Value: []byte("early")})
		if err := p.Close(w.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		c.joined(6)
		h.await(t, 1)
		c.stop()
		w.expectOnce(1, h)
	})
}

type loss struct {
	Partition int
	From, To  int64
}

func TestDeletedRecordsAreReportedAndPassed(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(400)
		a := newHands()
		ca := w.start(Config{}, a)
		a.await(t, 400)
		ca.stop()
		w.write(400)
		w.deleteRecords(1, 150)
		losses := make(chan loss, 10)
		b := newHands()
		refuse := true // the first time word of the loss cannot be kept
		cb := w.start(Config{OnLoss: func(_ context.Context, _ string, p int, from, to int64) error {
			losses <- loss{p, from, to}
			if refuse {
				refuse = false
				return errors.New("not now")
			}
			return nil
		}}, b)
		b.await(t, 350)
		w.write(40)
		b.await(t, 390)
		cb.stop()
		for range 2 {
			if diff := cmp.Diff(loss{1, 100, 150}, <-losses); diff != "" {
				t.Errorf("loss %s", diff)
			}
		}
		if n := len(losses); n > 0 {
			t.Errorf("told %d times more", n)
		}
		w.expectCommitted(210, 210, 210, 210)
	})
}

func TestTopicMadeAnewIsReadFromItsBeginning(t *testing.T) {
	for name, away := range map[string]bool{"while running": false, "while away": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.write(400)
				losses := make(chan loss, 10)
				cfg := Config{OnLoss: func(_ context.Context, _ string, p int, from, to int64) error {
					losses <- loss{p, from, to}
					return nil
				}}
				h := newHands()
				c := w.start(cfg, h)
				h.await(t, 400)
				if away {
					c.stop()
				}
				if err := w.client.DeleteTopics(w.Context(), "t"); err != nil {
					t.Fatal(err)
				}
				if _, err := w.client.CreateTopics(w.Context(), []kafka.TopicSpec{{Name: "t", Partitions: 4, ReplicationFactor: 1}}); err != nil {
					t.Fatal(err)
				}
				w.write(800) // more than the old one held: the old position lies inside the new log
				if away {
					c = w.start(cfg, h)
				}
				h.await(t, 1200)
				c.stop()
				w.expectCommitted(200, 200, 200, 200)
				for n := range len(losses) {
					if l := <-losses; l.To != -1 {
						t.Errorf("loss %d: %+v", n, l)
					}
				}
			})
		})
	}
}

func TestForeignMetadataCostsNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(40)
		w.commitAs("by hand: ümläut", 5)
		h := newHands()
		c := w.start(Config{}, h)
		h.await(t, 20)
		c.stop()
		w.expectOnce(20, h)
		w.expectCommitted(10, 10, 10, 10)
	})
}

func TestCommitFaultsAreTriedAgain(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.OffsetMetadataTooLarge, kerr.RequestTimedOut} {
		t.Run(code.Message, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				h := newHands()
				c := w.start(Config{}, h)
				c.joined(4)
				fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Partitions: []int32{2}, Err: code, Count: 5})
				w.write(400)
				h.await(t, 400)
				if err := fault.Wait(w.Context(), 5); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				w.expectCommitted(100, 100, 100, 100)
				c.stop()
			})
		})
	}
}

func TestOutageOfTheClusterRepeatsNothingHere(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(400)
		h := newHands()
		c := w.start(Config{}, h)
		h.await(t, 400)
		fault := w.cluster.Fault(kfake.Fault{Err: kerr.CoordinatorNotAvailable, Count: -1, TopLevel: true},
			kfake.Fault{Err: kerr.LeaderNotAvailable, Count: -1, Topic: "t"})
		time.Sleep(60 * time.Second)
		fault.Remove()
		w.write(400)
		start := time.Now()
		h.await(t, 800)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("normal after %v", d)
		}
		c.stop()
		w.expectOnce(800, h)
	})
}

func TestMetrics(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.write(8)
		reg := prometheus.NewRegistry()
		h := newHands()
		h.finish = func(r *Record) {
			if r.Offset != 0 {
				r.Done()
			}
		}
		c := w.start(Config{Registerer: reg, Kafka: kafka.NewMetrics(reg)}, h)
		h.await(t, 8)
		metrics := func() *httptest.ResponseRecorder {
			page := httptest.NewRecorder()
			promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return page
		}
		time.Sleep(10 * time.Millisecond) // of fake time: every record is finished, and no commit is due yet
		if line := `dispatcher_consumer_uncommitted_records{group="g",topic="t"} 4`; !strings.Contains(metrics().Body.String(), line) {
			t.Errorf("no %s before the first commit", line)
		}
		time.Sleep(5 * time.Second)
		page := metrics()
		for _, line := range []string{
			`dispatcher_consumer_assigned_partitions{group="g"} 4`,
			`dispatcher_consumer_joined{group="g"} 1`,
			`dispatcher_consumer_open_records{group="g",topic="t"} 4`,
			`dispatcher_consumer_uncommitted_records{group="g",topic="t"} 0`,
			`dispatcher_consumer_records_total{group="g",topic="t"} 8`,
			`dispatcher_consumer_lag_records{group="g",topic="t"} 0`,
			`dispatcher_consumer_rebalances_total{group="g"} 1`,
			`dispatcher_kafka_fetched_records_total{group="g",topic="t"} 8`,
			`dispatcher_kafka_rebalances_total{group="g"} 1`,
		} {
			if !strings.Contains(page.Body.String(), line+"\n") {
				t.Errorf("no %s in\n%s", line, page.Body)
			}
		}
		// A record is some milliseconds old when the clock starts for the metrics.
		age := regexp.MustCompile(`(?m)^dispatcher_consumer_oldest_unfinished_seconds\{group="g",topic="t"\} 5(\.0\d*)?$`)
		if !age.MatchString(page.Body.String()) {
			t.Errorf("nothing matches %s in\n%s", age, page.Body)
		}
		h.finishAll()
		c.stop()
	})
}

func TestConfigIsValidated(t *testing.T) {
	err := Config{FetchBytes: -1}.Validate()
	for _, want := range []string{"no name", "no topics", "no start position", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestStagesStopFromTheTopDown(t *testing.T) {
	var mu sync.Mutex
	var order []string
	say := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	up := make(chan struct{}, 2)
	until := func(name string) part {
		return part{name, func(ctx context.Context) error {
			up <- struct{}{}
			<-ctx.Done()
			say(name + " ended")
			return ctx.Err()
		}}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-up
		<-up
		cancel()
	}()
	err := runStages(ctx, time.Minute, []stage{
		{name: "intake", parts: []part{until("consumer")}},
		{name: "out", parts: []part{until("producer")}, stop: func(ctx context.Context) error {
			if ctx.Err() != nil {
				t.Error("the stage's context ended before its stop was called")
			}
			say("flushed")
			return nil
		}},
	})
	if err != nil {
		t.Errorf("ended by its context: %v", err)
	}
	if want := []string{"consumer ended", "flushed", "producer ended"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

func TestAPartThatEndsEndsAll(t *testing.T) {
	broken := errors.New("port taken")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"by an error": {broken, "api: port taken"},
		"silently":    {nil, "api: ended early"},
	} {
		t.Run(name, func(t *testing.T) {
			stopped := make(chan struct{})
			err := runStages(t.Context(), time.Minute, []stage{{name: "all", parts: []part{
				{"api", func(context.Context) error { return tc.err }},
				{"other", func(ctx context.Context) error {
					<-ctx.Done()
					close(stopped)
					return nil
				}},
			}}})
			if err == nil || strings.Count(err.Error(), tc.want) != 1 {
				t.Errorf("got %v, want %q once", err, tc.want)
			}
			<-stopped
		})
	}
}

// TestAnOrderThatTakesTooLongIsGivenUp: the deadline ends a shutdown whatever hangs, and says what did.
func TestAnOrderThatTakesTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		below := part{"producer", func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}}
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		began := time.Now()
		err := runStages(ctx, 10*time.Second, []stage{
			{name: "intake", parts: []part{{"consumer", func(context.Context) error {
				<-release
				return nil
			}}}},
			{name: "ground", parts: []part{below}},
		})
		if took := time.Since(began); took != 11*time.Second {
			t.Errorf("ended after %s, want the deadline", took)
		}
		if !errors.Is(err, errLate) || !strings.HasPrefix(err.Error(), "intake: ") {
			t.Errorf("got %v, want errLate of the intake", err)
		}
		close(release)
		synctest.Wait() // the order goes on behind it
	})
}

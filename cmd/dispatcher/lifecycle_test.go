package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
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
	err := runStages(ctx, []stage{
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
			err := runStages(t.Context(), []stage{{name: "all", parts: []part{
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

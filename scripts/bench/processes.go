package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/voxagent/dispatcher/pkg/event"
	"github.com/voxagent/dispatcher/scripts/rig"
)

// receive answers every POST with 200 and tells the count on GET /count. It prints its address first.
func receive(ctx context.Context) error {
	var count, first, last atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		now := time.Now().UnixNano()
		first.CompareAndSwap(0, now)
		last.Store(now)
		count.Add(1)
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "%d %d", count.Load(), last.Load()-first.Load())
	})
	mux.HandleFunc("DELETE /count", func(http.ResponseWriter, *http.Request) {
		count.Store(0)
		first.Store(0)
		last.Store(0)
	})
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// receiverProcess is a running receiver.
type receiverProcess struct {
	peer *rig.Peer
	url  string
}

func startReceiver(ctx context.Context) (*receiverProcess, error) {
	peer, err := rig.Start(ctx, "receiver")
	if err != nil {
		return nil, err
	}
	return &receiverProcess{peer, "http://" + peer.Says}, nil
}

func (r *receiverProcess) reset(ctx context.Context) error {
	_, err := rig.Call(ctx, http.MethodDelete, r.url+"/count", "", nil)
	return err
}

// seen returns how many requests came since the last reset, and over which time.
func (r *receiverProcess) seen(ctx context.Context) (n int, span time.Duration, err error) {
	body, err := rig.Call(ctx, http.MethodGet, r.url+"/count", "", nil)
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscan(string(body), &n, &span)
	return n, span, err
}

// bodyOf is the body that a delivery of the example has.
func bodyOf(example string) ([]byte, error) {
	doc := event.Example(example)
	e, err := event.Parse(doc, event.Meta{Time: time.Now()}, len(doc))
	if err != nil {
		return nil, fmt.Errorf("example %q: %w", example, err)
	}
	return event.Body(&e), nil
}

// floor posts n bodies with a bare net/http client and prints the CPU of each in microseconds.
func floor(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	url, example := flags.String("url", "", ""), flags.String("example", "", "")
	n, inFlight := flags.Int("n", 0, ""), flags.Int("in-flight", 64, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	body, err := bodyOf(*example)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		WriteBufferSize: 33 << 10, MaxIdleConns: *inFlight, MaxIdleConnsPerHost: *inFlight, MaxConnsPerHost: *inFlight,
		DisableCompression: true,
	}}
	var left, failed atomic.Int64
	left.Store(int64(*n))
	var wg sync.WaitGroup
	before := cpu()
	for range *inFlight {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := post(ctx, client, *url, body); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if f := failed.Load(); f > 0 {
		return fmt.Errorf("%d of %d posts failed", f, *n)
	}
	fmt.Printf("%.3f\n", float64((cpu()-before).Microseconds())/float64(*n))
	return nil
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// hmacCost prints what two HMACs of the example's body cost, in microseconds.
func hmacCost(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: hmac EXAMPLE")
	}
	body, err := bodyOf(args[0])
	if err != nil {
		return err
	}
	a, b := hmac.New(sha256.New, []byte("one key of thirty-two bytes ....")), hmac.New(sha256.New, []byte("another key"))
	n := max(1000, 200<<20/len(body))
	before := cpu()
	for range n {
		a.Reset()
		a.Write(body)
		b.Reset()
		b.Write(body)
		a.Sum(nil)
		b.Sum(nil)
	}
	fmt.Printf("%.3f\n", float64((cpu()-before).Microseconds())/float64(n))
	return nil
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// self runs this program as one of its other processes and reads the number that it prints.
func self(ctx context.Context, args ...string) (float64, error) {
	path, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", args[0], err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

func floorRound(ctx context.Context, rc *receiverProcess, example string, n, inFlight int) (float64, error) {
	if err := rc.reset(ctx); err != nil {
		return 0, err
	}
	return self(ctx, "floor", "-url", rc.url, "-example", example, "-n", strconv.Itoa(n), "-in-flight", strconv.Itoa(inFlight))
}

func hmacRound(ctx context.Context, example string) (float64, error) {
	return self(ctx, "hmac", example)
}

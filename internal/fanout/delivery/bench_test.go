package delivery

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/voxagent/dispatcher/internal/fanout"
	"github.com/voxagent/dispatcher/pkg/webhook"
)

// receiverEnv makes the test binary a receiver, so that its CPU is not counted with the sender's.
const receiverEnv = "DELIVERY_TEST_RECEIVER"

func TestMain(m *testing.M) {
	if os.Getenv(receiverEnv) != "" {
		receive()
		return
	}
	os.Exit(m.Run())
}

// receive answers every request with a small 200 until its standard input ends.
func receive() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerFast(conn)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

func answerFast(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	answer := []byte("HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 08:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Server: receiver\r\nContent-Length: 2\r\n\r\nok")
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
			if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(strings.TrimSpace(string(value)))
			}
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func startReceiver(b *testing.B) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), receiverEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it ends as its input does; how does not matter
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(address)
}

// BenchmarkSend compares what an attempt costs with each engine, and what the bare client of net/http costs that signs
// but records nothing. The receiver is a process of its own; cpu-us/op is this process's time, user and system.
func BenchmarkSend(b *testing.B) {
	address := startReceiver(b)
	signer, err := webhook.NewSigner(testSecret)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1 << 10, 30 << 10, 300 << 10} {
		for _, engine := range []Engine{EngineHTTP1, EngineNetHTTP} {
			b.Run(fmt.Sprintf("%s/%dKB", engine, size>>10), func(b *testing.B) {
				s, err := New(Config{Engine: engine, AllowedNetworks: loopback()})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				req, _ := http.NewRequest(http.MethodPost, address, nil)
				target := &fanout.Target{URL: req.URL, Signer: signer}
				d := makeDelivery(size)
				benchmark(b, func() error {
					out, err := s.Send(context.Background(), target, d)
					if err == nil && out.HTTPStatus != 200 {
						err = fmt.Errorf("%s: %s", verdictOf(out), out.Detail)
					}
					return err
				})
			})
		}
		b.Run(fmt.Sprintf("bare/%dKB", size>>10), func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, WriteBufferSize: 33 << 10}}
			defer client.CloseIdleConnections()
			body := makeDelivery(size).Event.Body
			benchmark(b, func() error {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
				if err != nil {
					return err
				}
				sums := signer.Sign("evt_1", time.Now(), body)
				req.Header.Set(webhook.HeaderSignature, sums.Hex)
				req.Header.Set(webhook.HeaderStandardSignature, sums.Standard)
				resp, err := client.Do(req)
				if err != nil {
					return err
				}
				io.Copy(io.Discard, resp.Body)
				return resp.Body.Close()
			})
		})
	}
}

// benchmark runs op b.N times with 64 in flight.
func benchmark(b *testing.B, op func() error) {
	const inFlight = 64
	b.ReportAllocs()
	next := make(chan struct{}, inFlight)
	var wg sync.WaitGroup
	for range inFlight {
		wg.Go(func() {
			for range next {
				if err := op(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	before := cpu(b)
	for b.Loop() {
		next <- struct{}{}
	}
	close(next)
	wg.Wait()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "cpu-us/op")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

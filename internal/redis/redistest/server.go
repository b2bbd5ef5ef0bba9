package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/voxagent/dispatcher/internal/testenv"
)

// Options say what kind of server to start. The zero value is a single redis-server without TLS.
type Options struct {
	// Binary is the program; "": redis-server of the PATH.
	Binary string
	// TLS has the server speak TLS alone, with a certificate for its address of this authority.
	TLS *Authority
	// Host is its loopback address; "": 127.0.0.1.
	Host string
	// Lines are added to its configuration.
	Lines []string

	sentinel, cluster bool
}

// Server is a running, paused or killed server. Its methods fail the test; they are for one goroutine at a time.
type Server struct {
	tb     testing.TB
	o      Options
	dir    string
	port   int
	cmd    *exec.Cmd
	ended  chan struct{}
	client *goredis.Client // as the administrator
}

const (
	startLimit = 20 * time.Second
	// adminPassword is the default user's, who may do all.
	adminPassword = "the-administrators-password"
)

// Start starts a server and waits until it answers.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	if o.Binary == "" {
		o.Binary = "redis-server"
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	s := &Server{tb: tb, o: o, dir: tb.TempDir(), port: testenv.FreePort(tb, o.Host, firstPort, clusterPort)}
	s.client = goredis.NewClient(&goredis.Options{
		Addr: s.Addr(), Password: adminPassword, TLSConfig: o.TLS.client(), DialerRetries: 1, DisableIdentity: true,
		ReadTimeout: startLimit, WriteTimeout: startLimit,
	})
	tb.Cleanup(func() {
		_ = s.client.Close()
		s.end(syscall.SIGKILL)
	})
	if err := os.WriteFile(s.configFile(), []byte(s.config()), 0o600); err != nil {
		tb.Fatal(err)
	}
	s.Start()
	return s
}

// firstPort begins the ports of servers: clusterPort of them, and as many behind them for the servers' own talk.
const firstPort = 12000

func (s *Server) configFile() string { return filepath.Join(s.dir, "redis.conf") }

func (s *Server) config() string {
	port := "port"
	lines := []string{
		"bind " + s.o.Host, "dir " + s.dir, "daemonize no", "logfile " + filepath.Join(s.dir, "log"), "protected-mode no",
		"requirepass " + adminPassword,
	}
	switch {
	case s.o.sentinel:
		lines = append(lines, "sentinel sentinel-pass "+adminPassword, sentinelUser)
	case s.o.cluster:
		lines = append(lines, "cluster-enabled yes", "cluster-node-timeout 1000", "cluster-replica-validity-factor 0",
			fmt.Sprint("cluster-port ", s.port+clusterPort), user(Rights+" "+ClusterRights))
	default:
		lines = append(lines, user(Rights))
	}
	if !s.o.sentinel {
		lines = append(lines, "masterauth "+adminPassword, `save ""`, "replica-announce-ip "+s.o.Host,
			"repl-diskless-sync-delay 0")
	}
	if s.o.TLS != nil {
		port = "tls-port"
		cert, key := s.o.TLS.Issue(s.tb, s.o.Host)
		lines = append(lines, "port 0", "tls-cert-file "+cert, "tls-key-file "+key, "tls-ca-cert-file "+s.o.TLS.File,
			"tls-replication yes", "tls-auth-clients yes")
	}
	lines = append(lines, fmt.Sprint(port, " ", s.port))
	return strings.Join(append(lines, s.o.Lines...), "\n") + "\n"
}

// Addr is host:port.
func (s *Server) Addr() string { return fmt.Sprintf("%s:%d", s.o.Host, s.port) }

// URL is the server's, as the program takes it.
func (s *Server) URL() string { return address(s.o.TLS, nil, s) }

// address is the URL of servers; query says what kind they are.
func address(ca *Authority, query url.Values, servers ...*Server) string {
	u := url.URL{Scheme: "redis", Host: servers[0].Addr(), User: url.UserPassword(userName, userPassword)}
	if query == nil {
		query = url.Values{}
	}
	for _, s := range servers[1:] {
		query.Add("addr", s.Addr())
	}
	if ca != nil {
		u.Scheme = "rediss"
		query.Set("ca", ca.File)
		query.Set("cert", ca.clientCert)
		query.Set("key", ca.clientKey)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// Start starts a server that was stopped or killed, on its port and data, and waits until it answers.
func (s *Server) Start() {
	s.tb.Helper()
	args := []string{s.configFile()}
	if s.o.sentinel {
		args = append(args, "--sentinel")
	}
	s.cmd, s.ended = exec.CommandContext(s.context(), s.o.Binary, args...), make(chan struct{})
	var said strings.Builder // what is wrong with the configuration; read once the process has ended
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	s.Eventually("it answers", startLimit, func() bool {
		select {
		case <-s.ended:
			s.tb.Fatalf("%s ended: %s%s", s.o.Binary, said.String(), s.log())
		default:
		}
		_, err := s.client.Ping(s.context()).Result()
		return err == nil
	})
}

func (s *Server) log() string {
	raw, _ := os.ReadFile(filepath.Join(s.dir, "log")) // there may be none
	return string(raw)
}

// context is for commands in cleanups too, when the test's own has ended.
func (s *Server) context() context.Context { return context.WithoutCancel(s.tb.Context()) }

// Eventually waits until cond holds.
func (s *Server) Eventually(what string, limit time.Duration, cond func() bool) {
	s.tb.Helper()
	for began := time.Now(); !cond(); time.Sleep(10 * time.Millisecond) { // a poll of another process
		if time.Since(began) > limit {
			s.tb.Fatalf("%s: not within %s\n%s", what, limit, s.log())
		}
	}
}

// Do runs a command as the administrator and returns its answer.
func (s *Server) Do(args ...any) any {
	s.tb.Helper()
	answer, err := s.client.Do(s.context(), args...).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		s.tb.Fatalf("%v: %v", args, err)
	}
	return answer
}

// Info is a value of INFO.
func (s *Server) Info(name string) string {
	s.tb.Helper()
	text, _ := s.Do("INFO").(string)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Keys is how many keys of the program begin with that.
func (s *Server) Keys(beginning string) int {
	s.tb.Helper()
	keys, _ := s.Do("KEYS", Prefix+beginning+"*").([]any)
	return len(keys)
}

// Kill kills it, without a chance to save or to say goodbye.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Restart kills it and starts it again.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	s.Start()
}

// Pause has it stand still, with all its connections.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) end(sig syscall.Signal) {
	s.signal(sig)
	<-s.ended
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Error(err)
	}
}

// client is how the kit itself connects; nil: without TLS.
func (a *Authority) client() *tls.Config {
	if a == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: a.pool, Certificates: []tls.Certificate{a.pair}}
}

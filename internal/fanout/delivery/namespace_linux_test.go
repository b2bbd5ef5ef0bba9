package delivery

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// insideNamespace names the environment variable that a test in a network namespace of its own finds set.
const insideNamespace = "DISPATCHER_TEST_INSIDE_NAMESPACE"

// enterNamespace runs the calling test once more, as a process in network and mount namespaces of its own, and fails
// when that fails. env is added to the environment.
func enterNamespace(t *testing.T, name string, env ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+name+"$", "-test.timeout=2m", "-test.v")
	cmd.Env = append(append(os.Environ(), insideNamespace+"=1"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a network namespace (which takes root or user namespaces): %v\n%.20000s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, note, ok := strings.Cut(line, "note: "); ok {
			t.Log(strings.TrimSpace(note))
		}
	}
}

// namespace is a network in which every address, public or not, IPv4 or IPv6, is this machine's: whoever connects to
// anything is seen. Nothing leads out of it.
type namespace struct {
	names *nameServer

	mu       sync.Mutex
	accepted map[netip.AddrPort]int // by the address that was connected to
}

// resolverAddr is where the namespace's name server answers.
const resolverAddr = "127.0.0.53:53"

// openPorts have a listener on every address.
var openPorts = []int{22, 25, 80, 443, 1023, 1024, 2375, 6379, 8080, 9090, 65535}

// newNamespace sets the network up that this process alone is in.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	script := strings.Join([]string{
		"link set lo up", "route add local 0.0.0.0/0 dev lo", "route add local ::/0 dev lo",
		"addr add 10.20.0.5/24 dev lo", "addr add 10.20.0.6/24 dev lo", "addr add 198.20.0.9/32 dev lo", "addr add fd20::5/64 dev lo nodad",
	}, "\n")
	ip := exec.CommandContext(t.Context(), "ip", "-batch", "-")
	ip.Stdin = strings.NewReader(script)
	if out, err := ip.CombinedOutput(); err != nil {
		t.Fatalf("ip (Debian package iproute2): %v\n%s", err, out)
	}
	mountConfiguration(t)
	n := &namespace{names: newNameServer(t), accepted: map[netip.AddrPort]int{}}
	for _, port := range openPorts {
		l, err := net.Listen("tcp", net.JoinHostPort("::", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		serveOn(t, l, "http", n.answer)
	}
	return n
}

// mountConfiguration gives this process resolver settings of its own.
func mountConfiguration(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("make mounts private: %v", err)
	}
	host, _, _ := net.SplitHostPort(resolverAddr)
	for path, content := range map[string]string{
		"/etc/resolv.conf":   "nameserver " + host + "\nsearch cluster.test\noptions timeout:2 attempts:1\n",
		"/etc/hosts":         "127.0.0.1 localhost hosts-file.test\n::1 localhost ip6-localhost\n",
		"/etc/nsswitch.conf": "hosts: files dns\n",
	} {
		own := filepath.Join(t.TempDir(), filepath.Base(path))
		if err := os.WriteFile(own, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount(own, path, "", syscall.MS_BIND, ""); err != nil {
			t.Fatalf("mount over %s: %v", path, err)
		}
	}
}

// answer serves one connection. A path of /<code>?<location> is answered with that redirect.
func (n *namespace) answer(p *peer, _ int64) {
	to := p.LocalAddr().(*net.TCPAddr).AddrPort()
	n.mu.Lock()
	n.accepted[netip.AddrPortFrom(to.Addr().WithZone("").Unmap(), to.Port())]++
	n.mu.Unlock()
	req, _, ok := p.request()
	if !ok {
		return
	}
	head := "HTTP/1.1 200 OK\r\n"
	if code, err := strconv.Atoi(req.URL.Path[1:]); err == nil {
		head = fmt.Sprintf("HTTP/1.1 %d %s\r\nLocation: %s\r\nRefresh: 0; url=%[3]s\r\n", code, http.StatusText(code), req.URL.Query().Get("to"))
	}
	p.say(head + "Connection: close\r\nContent-Length: 0\r\n\r\n")
}

// seen returns the addresses that were connected to since it was last called.
func (n *namespace) seen() []netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := slices.SortedFunc(maps.Keys(n.accepted), netip.AddrPort.Compare)
	clear(n.accepted)
	return seen
}

// connects returns how many connections this process has begun to open, as the kernel counts them when it sends the
// first packet: also those that nobody accepted. Those to the name server are not among them.
func (n *namespace) connects(t *testing.T) int {
	t.Helper()
	return kernelCount(t, "Tcp", "ActiveOpens") - int(n.names.overTCP.Load())
}

// kernelCount returns a counter of this network namespace.
func kernelCount(t *testing.T, protocol, name string) int {
	t.Helper()
	content, err := os.ReadFile("/proc/self/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if fields[0] != protocol+":" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		count, err := strconv.Atoi(fields[slices.Index(names, name)])
		if err != nil {
			t.Fatal(err)
		}
		return count
	}
	t.Fatalf("the kernel does not count %s of %s", name, protocol)
	return 0
}

// reachable fails the test unless a plain connection to addr succeeds and is seen: then a connection that the guard let
// through would be seen too.
func (n *namespace) reachable(t *testing.T, addr netip.AddrPort) {
	t.Helper()
	if addr.Addr().IsLinkLocalUnicast() && addr.Addr().Is6() {
		addr = netip.AddrPortFrom(addr.Addr().WithZone("lo"), addr.Port())
	}
	before := n.connects(t)
	conn, err := net.DialTimeout("tcp", addr.String(), 2*time.Second)
	if err != nil {
		t.Errorf("the namespace does not own %s: %v", addr, err)
		return
	}
	defer conn.Close()
	conn.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, conn) // until the listener has seen it and closes
	if opened, seen := n.connects(t)-before, n.seen(); opened != 1 || len(seen) != 1 {
		t.Errorf("a connection to %s counted as %d and was seen at %v", addr, opened, seen)
	}
}

package delivery

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// record is what a name stands for: another name, or addresses that may depend on how often the question (of one
// family) was asked before.
type record struct {
	cname string
	addrs func(asked int) []netip.Addr
}

// resolvesTo is a record of fixed addresses.
func resolvesTo(addrs ...netip.Addr) record {
	return record{addrs: func(int) []netip.Addr { return addrs }}
}

// nameServer answers for the names of a test, over UDP, and over TCP what is too long for that.
type nameServer struct {
	asks    atomic.Int64
	overTCP atomic.Int64 // connections

	mu    sync.Mutex
	names map[string]record // without the last dot, in lower case
	asked map[dnsmessage.Question]int
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	s := &nameServer{names: map[string]record{}, asked: map[dnsmessage.Question]int{}}
	packets, err := net.ListenPacket("udp", resolverAddr)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", resolverAddr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.serveUDP(packets) })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.overTCP.Add(1)
			wg.Go(func() { s.serveTCP(conn) })
		}
	})
	t.Cleanup(func() {
		packets.Close()
		l.Close()
		wg.Wait()
	})
	return s
}

// add gives a name a meaning.
func (s *nameServer) add(name string, r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = r
}

// timesAsked says how often a name was asked for, for addresses of IPv4.
func (s *nameServer) timesAsked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := dnsmessage.Question{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	return s.asked[q]
}

func (s *nameServer) serveUDP(packets net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := packets.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, err := s.reply(buf[:n], 512); err == nil {
			_, _ = packets.WriteTo(reply, from) // a client that has gone away asks nobody again
		}
	}
}

func (s *nameServer) serveTCP(conn net.Conn) {
	defer conn.Close()
	for {
		var size uint16
		if binary.Read(conn, binary.BigEndian, &size) != nil {
			return
		}
		query := make([]byte, size)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply, err := s.reply(query, 1<<16)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// reply answers a query; longer than limit it is cut to nothing and says so.
func (s *nameServer) reply(query []byte, limit int) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	answers, known := s.answers(q)
	m := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{q}, Answers: answers,
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	reply, err := m.Pack()
	if err == nil && len(reply) > limit {
		m.Answers, m.Truncated = nil, true
		return m.Pack()
	}
	return reply, err
}

// answers follows aliases to addresses. A question that is cut and asked again over TCP counts twice.
func (s *nameServer) answers(q dnsmessage.Question) (out []dnsmessage.Resource, known bool) {
	s.asks.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked[q]
	s.asked[q]++
	r, known := s.names[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))]
	owner := q.Name
	for r.cname != "" {
		next := dnsmessage.MustNewName(r.cname + ".")
		out = append(out, resource(owner, dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: next}))
		r, owner = s.names[r.cname], next
	}
	if r.addrs == nil {
		return out, known
	}
	for _, a := range r.addrs(asked) {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out = append(out, resource(owner, q.Type, &dnsmessage.AResource{A: a.As4()}))
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out = append(out, resource(owner, q.Type, &dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	return out, known
}

func resource(owner dnsmessage.Name, kind dnsmessage.Type, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: owner, Type: kind, Class: dnsmessage.ClassINET, TTL: 0}, Body: body,
	}
}

package kafka

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// The API keys that we speak ourselves.
const (
	keyProduce      = protocol.ApiKey(0)
	keyFetch        = protocol.ApiKey(1)
	keyListOffsets  = protocol.ApiKey(2)
	keyMetadata     = protocol.ApiKey(3)
	keyOffsetCommit = protocol.ApiKey(8)
	keyOffsetFetch  = protocol.ApiKey(9)
	keyJoinGroup    = protocol.ApiKey(11)
	keyHeartbeat    = protocol.ApiKey(12)
	keyLeaveGroup   = protocol.ApiKey(13)
	keySyncGroup    = protocol.ApiKey(14)
	keyApiVersions  = protocol.ApiKey(18)
)

// correlation is the same for all requests: a connection carries one request at a time, and the transport closes a
// connection whose request failed.
const correlation = 1

// call is one request that we encode ourselves. The transport brings the connection (dialling, TLS, SASL, the lookup
// of brokers and coordinators) and hands it over through protocol.RawExchanger.
type call struct {
	key      protocol.ApiKey
	version  int16
	flexible bool
	client   string
	// body is the encoded request without its header.
	body []byte
	// decode reads the response; it may keep parts of r's memory.
	decode func(r *reader)
	// written is told, once, when body is no longer used by the connection. It is not called when the request never
	// reached one.
	written func()
}

// ApiKey is the key of the request.
func (c *call) ApiKey() protocol.ApiKey { return c.key }

// Required says that RawExchange is to be used, always.
func (c *call) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange writes the request and reads the response.
func (c *call) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	err := c.write(rw)
	if c.written != nil {
		c.written()
	}
	if err != nil {
		return nil, err
	}
	body, err := readResponse(rw, correlation)
	if err != nil {
		return nil, err
	}
	r := &reader{b: body, flexible: c.flexible}
	if c.key != keyApiVersions {
		r.tags()
	}
	if c.decode(r); r.err != nil {
		return nil, fmt.Errorf("decode response of api %d version %d: %w", c.key, c.version, r.err)
	}
	return c, nil
}

// write sends header and body in one piece; bodies are built with room for the header in front.
func (c *call) write(w io.Writer) error {
	head := make([]byte, 4, headRoom)
	head = binary.BigEndian.AppendUint16(head, uint16(c.key))
	head = binary.BigEndian.AppendUint16(head, uint16(c.version))
	head = binary.BigEndian.AppendUint32(head, correlation)
	head = binary.BigEndian.AppendUint16(head, uint16(len(c.client)))
	head = append(head, c.client...)
	if c.flexible {
		head = append(head, 0)
	}
	if len(c.body) < headRoom || len(head) > headRoom {
		return fmt.Errorf("kafka: client id %q is too long", c.client)
	}
	start := headRoom - len(head)
	binary.BigEndian.PutUint32(head, uint32(len(c.body)-start-4))
	copy(c.body[start:], head)
	_, err := w.Write(c.body[start:])
	return err
}

// headRoom is what each body leaves free in front for the request header, whose variable part is the client id.
const headRoom = 128

// newBody returns a writer that begins behind the room for the header.
func newBody(flexible bool, capacity int) *writer {
	return &writer{b: make([]byte, headRoom, headRoom+capacity), flexible: flexible}
}

// brokerCall goes to one broker.
type brokerCall struct {
	call
	broker int32
}

// Broker looks the broker up in the transport's view of the cluster.
func (c *brokerCall) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if b, ok := cluster.Brokers[c.broker]; ok {
		return b, nil
	}
	return protocol.Broker{}, fmt.Errorf("broker %d: %w", c.broker, errUnknownBroker)
}

// groupCall goes to the coordinator of a group.
type groupCall struct {
	call
	group string
}

// Group names the group.
func (c *groupCall) Group() string { return c.group }

var (
	_ protocol.RawExchanger  = (*call)(nil)
	_ protocol.BrokerMessage = (*brokerCall)(nil)
	_ protocol.GroupMessage  = (*groupCall)(nil)
)

package fanout

import (
	"sync/atomic"
)

// open is a record on its way: it counts the facts that Kafka has still to acknowledge and tells the ticket when the
// last one is (invariant no-gap). It also holds the record's share of the byte budget until then.
type open struct {
	ticket Ticket
	budget *Budget
	size   int64
	// left counts open parts: one for each delivery, one for each shared fact, and one that the intake holds while it
	// still adds parts.
	left atomic.Int32
	// lost is set when a part was given up: the ticket is then abandoned, never done.
	lost atomic.Bool
	// parts is how many deliveries the record has; with a single one there is nothing to remember about parts.
	parts int
}

func newOpen(t Ticket, b *Budget, size int64, parts int) *open {
	o := &open{ticket: t, budget: b, size: size, parts: parts}
	o.left.Store(1)
	return o
}

// expect adds n facts to wait for. Only who still holds a part may call it.
func (o *open) expect(n int32) { o.left.Add(n) }

// Acked implements Ack for a fact that the whole record shares (its event record, its payload).
func (o *open) Acked(err error) {
	if err != nil {
		o.lost.Store(true)
	}
	o.release()
}

// release ends one part; the last one settles the ticket.
func (o *open) release() {
	if o.left.Add(-1) != 0 {
		return
	}
	o.budget.Release(o.size)
	if o.lost.Load() {
		o.ticket.Abandon()
		return
	}
	o.ticket.Done()
}

// partDone ends a delivery's part durably.
func (o *open) partDone(ref Ref) {
	if o.parts > 1 {
		o.ticket.PartDone(PartKey(ref.WebhookID))
	}
	o.release()
}

// partLost ends a delivery's part without a fact: its partition was lost or the producer closed.
func (o *open) partLost() {
	o.lost.Store(true)
	o.release()
}

// Acked implements Ack for the facts of one delivery: when Kafka has the last of them, the delivery's part of the record
// is done.
func (d *Delivery) Acked(err error) {
	if err != nil {
		d.refused.Store(true)
	}
	if d.facts.Add(-1) != 0 {
		return
	}
	if d.refused.Load() {
		d.open.partLost()
		return
	}
	d.open.partDone(d.Ref)
}

// PartKey is the key by which a partly done record remembers a webhook: FNV-1a, since it must mean the same in the next
// process (unlike hash/maphash).
func PartKey(webhookID string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(webhookID) {
		h = (h ^ uint64(webhookID[i])) * prime
	}
	return h
}

package compact

import (
	"context"
	"time"

	"github.com/voxagent/dispatcher/internal/history/store"
	"github.com/voxagent/dispatcher/pkg/event"
)

// Ticket is one open record of a partition that this process owns. Exactly one of Done and Abandon is called, once. All
// methods may be called from any goroutine.
type Ticket interface {
	// Done says that the record is in the store: its offset may be committed.
	Done()
	// Abandon says that the record was dropped before it was done.
	Abandon()
	// Abandoned says whether the partition was lost: its next owner folds the record.
	Abandoned() bool
}

// Record is one record of the history or the payload topic. Its bytes must stay as they are until the ticket is done.
type Record struct {
	Source  event.Source
	Time    time.Time // the record's timestamp
	Key     []byte
	Value   []byte
	Headers []Header
	Ticket  Ticket
}

// Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// Folder is the store. All of a call's records are durable when it returns nil, none is when it does not; the same
// records may be folded again.
type Folder interface {
	Fold(ctx context.Context, records []store.Record) error
}

// Package watermark knows, for one partition, which records are done, and so which offset may be committed.
//
// Records finish in any order, but a commit is one number: everything below it is done. What is done above it would be
// repeated after a crash; so the commit carries, as its metadata, the set of offsets that are done above the number,
// and which parts (webhooks) of unfinished records are done. The next owner restores both and repeats only what was
// really open.
//
//	           base                      next
//	────────────┼──────────────────────────┼───▶ offsets
//	all done    │ open, done, open, done … │ never seen
//	            └─ at most Window offsets ─┘
//
// # Invariants
//
//	no-gap    base passes an offset only after it was done or skipped.
//	bounded   an offset is taken only inside base + Window; the metadata never exceeds MaxMetadata bytes.
//	lossless  every done offset of the window is in the metadata; only part keys may be left out, those of the newest
//	          records first, which costs a repetition after a crash and never a loss.
//
// The package is pure: no clock, no lock. The smallest use:
//
//	t := watermark.New(committed, 0)
//	if t.Take(offset, now) { handle(record) }
//	t.Done(offset)
//	offset, metadata := t.Committable()
package watermark

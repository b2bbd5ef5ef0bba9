package filter

import (
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Limits of cost, in units of about 100 ns of work.
const (
	costLimit  = 200_000 // of one filter and event
	eventLimit = 500_000 // of all filters of a workspace and one event
	// A small event has a lower limit: so much, and so much more for each byte of data. That is a thousand ordinary filters,
	// or forty that look at each byte; a loop within a loop that needs no data is neither.
	smallLimit   = 50_000
	unitsForByte = 20
)

// maxRead bounds the text of all filters that are shown one event, in bytes: ten thousand ordinary ones. To compile them takes
// some 3 µs for each byte, once, so that is a second and a half of the first event's time at the most.
const maxRead = 512 << 10

// limitOf is what all filters of a workspace may cost for an event with that much data.
func limitOf(data int) uint64 { return min(eventLimit, smallLimit+unitsForByte*uint64(data)) }

const (
	// bytesPerUnit is how much text is looked at for one unit, bytesPerUnitMade how much new text is made.
	bytesPerUnit     = 128
	bytesPerUnitMade = 32
	// stepsPerUnit is how many steps of patterns, bytes times instructions, one unit stands for. A match takes all of
	// them only in the worst case.
	stepsPerUnit = 64
)

// costs prices each call by what it looks at: the library's own prices count a list's elements where the work goes
// through all that they hold. It implements cost.ActualCostEstimator.
type costs struct{ patterns patterns }

// CallCost returns the price of a call in units.
func (c costs) CallCost(function, overloadID string, args []ref.Val, result ref.Val) *uint64 {
	price := 1 + textLength(result)/bytesPerUnitMade
	for _, arg := range args {
		price += textLength(arg) / bytesPerUnit
	}
	switch function {
	case operators.Equals, operators.NotEquals, operators.In:
		price += nodes(args[0], costLimit) + nodes(args[1], costLimit)
	}
	if overloadID == matchesOverload {
		price += c.patterns.price(args)
	}
	return &price
}

func textLength(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v))
	case types.Bytes:
		return uint64(len(v))
	}
	return 0
}

// nodes counts what a comparison of v goes through, up to limit: values and text.
func nodes(v ref.Val, limit uint64) uint64 {
	n := 1 + textLength(v)/bytesPerUnit
	switch v := v.(type) {
	case traits.Mapper:
		for it := v.Iterator(); n < limit && it.HasNext() == types.True; {
			value, _ := v.Find(it.Next())
			n += 1 + nodes(value, limit-n)
		}
	case traits.Lister:
		for it := v.Iterator(); n < limit && it.HasNext() == types.True; {
			n += nodes(it.Next(), limit-n)
		}
	}
	return n
}

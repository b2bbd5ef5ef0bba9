package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/voxagent/dispatcher/pkg/event"
)

// The names that expressions know.
const (
	nameEvent = "event"
	nameData  = "data"
)

// Input is one event as its workspace's filters see it, one after the other. It belongs to one goroutine.
type Input struct {
	eventType string
	data      object
	read      int    // bytes of filters
	spent     uint64 // units
	limit     uint64
}

// NewInput returns the input of an event; data is a JSON object that [event.Parse] accepted, and is not changed.
func NewInput(eventType string, data []byte) *Input {
	return &Input{eventType: eventType, data: object{json: data}, limit: limitOf(len(data))}
}

// Read says whether a filter with this text may be asked about the event, before it is compiled; false: with those that were
// asked before it is too much text, or they have cost all that there was. It counts whether or not the filter was compiled,
// so that a repeated record is judged alike.
func (in *Input) Read(text string) bool {
	in.read += len(text)
	return in.read <= maxRead && in.spent < in.limit
}

// ResolveName implements cel.Activation.
func (in *Input) ResolveName(name string) (any, bool) {
	switch name {
	case nameEvent:
		return in.eventType, true
	case nameData:
		return &in.data, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (*Input) Parent() cel.Activation { return nil }

// object is the event's data as CEL's map. Its members are found by one scan; each is decoded when it is asked for.
type object struct {
	json    []byte
	members map[string][]byte
	decoded map[string]ref.Val
	all     traits.Mapper // every member, once something other than a member was asked for
}

var _ traits.Mapper = (*object)(nil)

func (o *object) scan() {
	if o.members != nil {
		return
	}
	o.members, o.decoded = maps.Collect(event.Members(o.json)), map[string]ref.Val{}
}

// Find implements traits.Mapper.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	o.scan()
	if v, ok := o.decoded[string(name)]; ok {
		return v, true
	}
	raw, ok := o.members[string(name)]
	if !ok {
		return nil, false
	}
	v := decode(raw)
	o.decoded[string(name)] = v
	return v, true
}

// Get implements traits.Indexer.
func (o *object) Get(key ref.Val) ref.Val {
	if v, ok := o.Find(key); ok {
		return v
	}
	return types.ValOrErr(key, "no such key: %v", key)
}

// whole is the object with every member decoded.
func (o *object) whole() traits.Mapper {
	if o.all == nil {
		o.scan()
		members := make(map[string]any, len(o.members))
		for name := range o.members {
			members[name], _ = o.Find(types.String(name))
		}
		o.all = types.NewStringInterfaceMap(adapter{}, members)
	}
	return o.all
}

// The rest of a map's methods need all of it.

func (o *object) Contains(key ref.Val) ref.Val {
	_, found := o.Find(key)
	return types.Bool(found)
}
func (o *object) Size() ref.Val               { o.scan(); return types.Int(len(o.members)) }
func (o *object) Iterator() traits.Iterator   { return o.whole().Iterator() }
func (o *object) Equal(other ref.Val) ref.Val { return o.whole().Equal(other) }
func (o *object) Type() ref.Type              { return types.MapType }
func (o *object) Value() any                  { return o.whole().Value() }
func (o *object) ConvertToType(t ref.Type) ref.Val {
	return o.whole().ConvertToType(t)
}

func (o *object) ConvertToNative(t reflect.Type) (any, error) { return o.whole().ConvertToNative(t) }

// decode reads a JSON value that is known to be well formed.
func decode(raw []byte) ref.Val {
	if raw[0] == '"' { // much the largest members are texts
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return errDecode()
		}
		return types.String(s)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return errDecode()
	}
	return adapter{}.NativeToValue(v)
}

func errDecode() ref.Val { return types.NewErr("data cannot be decoded") }

// adapter makes CEL's values from what encoding/json decodes.
type adapter struct{}

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	case []any:
		return types.NewList(a, v)
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// number is an int where the text is a whole number that fits, else a double; one that is beyond a double is an error.
func number(text string) ref.Val {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return types.Int(i)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return types.WrapErr(fmt.Errorf("number %.40s is out of range", text))
	}
	return types.Double(f)
}

package api

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Optional is a property of a merge patch, which knows three states: absent (leave it), null (remove it), a value
// (set it).
type Optional[T any] struct {
	Present bool // the property is in the body
	Null    bool // … and it is null
	Value   T    // … or this
}

// UnmarshalJSON is only called for a property that is there.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	o.Present = true
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		o.Null = true
		return nil
	}
	return json.Unmarshal(data, &o.Value)
}

// MarshalJSON writes the value or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Present || o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// Schema documents the property as its value's type.
func (o Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// Whole is an integer that may be written in any way that JSON has for one: 60, 60.0, 6e1.
type Whole int

// UnmarshalJSON reads it. The schema has bounded it before.
func (w *Whole) UnmarshalJSON(data []byte) error {
	var f float64
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*w = Whole(f)
	return nil
}

// Schema documents it.
func (Whole) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeInteger} }

// pointer is nil for an absent property, and a pointer to the value (the zero value for null) for one that is there.
func (o *Optional[T]) pointer() *T {
	if !o.Present {
		return nil
	}
	return &o.Value
}

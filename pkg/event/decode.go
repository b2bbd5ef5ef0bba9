package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// decode reads one record. Fields that it does not know are ignored: later versions add some.
func decode[T any](kind RecordType, value []byte) (*T, error) {
	r := new(T)
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("decode %s record: %w", kind, err)
	}
	return r, nil
}

// UnmarshalJSON reads milliseconds, rounded to the microsecond.
func (m *Millis) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	ms, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(ms) > float64(math.MaxInt64/int64(time.Millisecond))/2 {
		return errors.New("not a number of milliseconds")
	}
	*m = Millis(time.Duration(math.Round(ms*1000)) * time.Microsecond)
	return nil
}

// MarshalJSON writes milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) { return m.append(nil), nil }

// UnmarshalJSON reads a string.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s != nil {
		*t = Text(*s)
	}
	return nil
}

// MarshalJSON writes a string.
func (t Text) MarshalJSON() ([]byte, error) { return appendQuoted(nil, t), nil }

package webhook

import "testing"

// TestOneByOne signs as a machine does that cannot compute two HMACs at once.
func TestOneByOne(t *testing.T) {
	if !twoAtOnce {
		return // all other tests do
	}
	const secret, id, unix, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "evt_1", 1795420800, "a body"
	sign := func() Sums {
		s, err := NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		return s.Sums(id, unix, []byte(body))
	}
	want := sign()
	twoAtOnce = false
	defer func() { twoAtOnce = true }()
	if got := sign(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

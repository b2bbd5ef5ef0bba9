package redis

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	LogTo(func(string) {}) // the tests take servers away
	goleak.VerifyTestMain(m)
}

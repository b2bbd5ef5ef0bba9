package redis

import (
	"testing"

	"github.com/voxagent/dispatcher/internal/testenv"
)

func TestMain(m *testing.M) {
	LogTo(func(string) {}) // the tests take servers away
	testenv.VerifyTestMain(m)
}

package subscription

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/voxagent/dispatcher/internal/redis"
)

func TestMain(m *testing.M) {
	redis.LogTo(func(string) {}) // the tests take it away
	goleak.VerifyTestMain(m)
}

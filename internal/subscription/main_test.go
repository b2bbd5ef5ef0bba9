package subscription

import (
	"testing"

	"github.com/voxagent/dispatcher/internal/redis"
	"github.com/voxagent/dispatcher/internal/testenv"
)

func TestMain(m *testing.M) {
	redis.LogTo(func(string) {}) // the tests take it away
	testenv.VerifyTestMain(m)
}

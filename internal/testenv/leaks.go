package testenv

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakPatience is how long a goroutine may take to end after all tests: a pool of go-redis that could not connect looks,
// a second after it was closed, whether it was. goleak by itself waits for little more than that.
const leakPatience = 5 * time.Second

// VerifyTestMain is goleak.VerifyTestMain for packages whose tests take Redis away: no goroutine may be left.
func VerifyTestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		err := goleak.Find()
		for deadline := time.Now().Add(leakPatience); err != nil && time.Now().Before(deadline); {
			err = goleak.Find()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "goleak: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
)

// freePort returns a loopback port on which nobody listens, below the kernel's ephemeral ports: a process that was killed
// must find its port free when it comes back.
func freePort() (int, error) {
	for range 100 {
		port := 30_000 + rand.IntN(2000)
		var cfg net.ListenConfig
		l, err := cfg.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port in 30000 to 31999")
}

// ownGroup keeps an interrupt at the terminal from the children: they are ended in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// poll asks until there is no error any more, at most for so long.
func poll(ctx context.Context, most time.Duration, what string, ask func() error) error {
	begun := time.Now()
	for {
		err := ask()
		switch {
		case err == nil, ctx.Err() != nil:
			return ctx.Err()
		case time.Since(begun) > most:
			return fmt.Errorf("waited %s for %s: %w", most, what, err)
		}
		wait(ctx, 200*time.Millisecond)
	}
}

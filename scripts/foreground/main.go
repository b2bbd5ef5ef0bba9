package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "foreground:", err)
	}
	os.Exit(code)
}

// run runs the program to its end and returns its exit code.
func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("usage: foreground PROGRAM [ARGUMENT...]")
	}
	// The kernel's "parent died" means the thread that started the child.
	runtime.LockOSThread()

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// Inherited by the program: nobody would be left to wake it after Ctrl-Z.
	signal.Ignore(syscall.SIGTSTP)
	// Taking the terminal back from outside its foreground group would otherwise stop us.
	signal.Ignore(syscall.SIGTTOU)

	program := exec.CommandContext(context.Background(), args[0], args[1:]...)
	program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(program.SysProcAttr)

	if tty := ownTerminal(); tty != nil {
		program.SysProcAttr.Foreground, program.SysProcAttr.Ctty = true, int(tty.Fd())
		defer giveTo(tty, syscall.Getpgrp())
	}
	if err := program.Start(); err != nil {
		return 127, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() { // ends with the process
		for s := range signals {
			_ = program.Process.Signal(s) // it may have ended just now
		}
	}()
	return exitCode(program.Wait())
}

// exitCode is the shell's view of how a program ended.
func exitCode(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 1, fmt.Errorf("wait: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// ownTerminal returns the controlling terminal if it is ours to give: not when there is none and not
// when we run in the background.
func ownTerminal() *os.File {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	var group int32
	if terminalGroup(tty, syscall.TIOCGPGRP, &group) != nil || int(group) != syscall.Getpgrp() {
		_ = tty.Close()
		return nil
	}
	return tty
}

// giveTo makes the group the terminal's foreground group. If it fails there is no terminal any more.
func giveTo(tty *os.File, group int) {
	target := int32(group)
	_ = terminalGroup(tty, syscall.TIOCSPGRP, &target)
}

// terminalGroup reads or sets the terminal's foreground process group.
func terminalGroup(tty *os.File, request uintptr, group *int32) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), request, uintptr(unsafe.Pointer(group))); errno != 0 {
		return errno
	}
	return nil
}

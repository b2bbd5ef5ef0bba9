//go:build !linux

package main

import "syscall"

// endWithParent does nothing: other kernels have no such signal.
func endWithParent(*syscall.SysProcAttr) {}

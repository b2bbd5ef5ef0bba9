package main

import "syscall"

// endWithParent has the kernel tell the program to end when we are killed.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGTERM }

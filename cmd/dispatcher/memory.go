package main

import (
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// limitMemory has the collector work harder before the container's limit is reached, rather than be killed there; without
// one, before the process takes more than otherwise, in bytes. A GOMEMLIMIT that was set wins.
func limitMemory(log *zap.Logger, otherwise int64) {
	if _, set := os.LookupEnv("GOMEMLIMIT"); set {
		return
	}
	limit := containerMemory(os.DirFS("/"))
	goal := limit / 10 * 9 // what is not Go's heap needs some too
	if limit == 0 {
		goal = otherwise
	}
	debug.SetMemoryLimit(goal)
	log.Info("memory limit", zap.Int64("container_bytes", limit), zap.Int64("go_bytes", goal))
}

// backlogMemory is what a process with full queues should stay within, in bytes: the events' budget, as much again on its
// way to Kafka and as garbage, the webhooks, and what is fetched ahead and connected. By default 352 MiB.
func backlogMemory(budget int64) int64 { return 3*budget + directoryBytes + 64<<20 }

// directoryBytes bounds the webhooks that are kept in memory.
const directoryBytes = 96 << 20

// containerMemory is the memory limit of this process's control group in bytes, version 2 or 1; 0: there is none. root is
// the file system.
func containerMemory(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	var least int64
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		switch fields[1] {
		case "":
		case "memory":
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the group's own folder is the root of what is mounted.
		for _, name := range []string{path.Join(dir, fields[2], file), path.Join(dir, file)} {
			if n := memoryFile(root, name); n > 0 && (least == 0 || n < least) {
				least = n
			}
		}
	}
	return least
}

// noLimit is what version 1 writes for none, and more than any machine has.
const noLimit = 1 << 60

func memoryFile(root fs.FS, name string) int64 {
	content, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	if err != nil || n >= noLimit { // "max" is no number
		return 0
	}
	return n
}

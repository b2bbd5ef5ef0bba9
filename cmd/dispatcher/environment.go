package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// environment reads a flag that was not given from DISPATCHER_<FLAG>, and a secret also from the file that
// DISPATCHER_<FLAG>_FILE names, as container platforms mount them.
func environment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := "DISPATCHER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if value := getenv(name); value != "" {
			return value, nil
		}
		if !flag.Tag.Has("secret") {
			return nil, nil //nolint:nilnil // kong's way of saying "not given"
		}
		path := getenv(name + "_FILE")
		if path == "" {
			return nil, nil //nolint:nilnil // as above
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", name, err)
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	})
}

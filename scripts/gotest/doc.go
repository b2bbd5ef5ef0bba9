// Command gotest runs `go test -json` with the given arguments and tells a person what came of it: one
// line for each package that passed, everything that a failing or skipped test printed, and as its last
// line
//
//	1234 passed, 0 failed, 0 skipped
//
// It counts tests and subtests that have no subtests of their own. Its exit code is 0 only when all of
// them passed: a skipped test has proved nothing, so it fails the run, as does a package that does not
// build and a run without any test.
//
//	gotest -race -shuffle=on ./...
package main

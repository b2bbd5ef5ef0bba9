package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json` and `go help buildjson`.
type event struct {
	Action     string
	Package    string
	Test       string  // empty: about the package
	Output     string  // of output and build-output
	Elapsed    float64 // seconds; of pass, fail and skip
	ImportPath string  // of build-output
}

// outcome of a test; a test that began and said no more was still running when its process died.
type outcome uint8

const (
	running outcome = iota
	passed
	failed
	skipped
)

// testResult is what is known of a test or subtest.
type testResult struct {
	outcome outcome
	parent  bool // has subtests
}

// packageRun collects a package until its end, when it is reported and let go.
type packageRun struct {
	tests  map[string]*testResult
	output []event // in the order printed
}

// summary turns events into a report. One goroutine feeds it.
type summary struct {
	out      io.Writer
	packages map[string]*packageRun

	passed, failed, skipped int
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, packages: make(map[string]*packageRun)}
}

// print writes to the report. Nothing can be done about a report that cannot be written.
func (s *summary) print(text string) { _, _ = io.WriteString(s.out, text) }

// add takes the next event.
func (s *summary) add(e event) {
	if e.Action == "build-output" {
		s.print(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	run := s.packages[e.Package]
	if run == nil {
		run = &packageRun{tests: make(map[string]*testResult)}
		s.packages[e.Package] = run
	}
	switch {
	case e.Action == "output":
		run.output = append(run.output, e)
	case e.Test != "":
		run.note(e)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		s.endPackage(e, run)
		delete(s.packages, e.Package)
	}
}

// note records the start or end of a test.
func (r *packageRun) note(e event) {
	result := r.tests[e.Test]
	if result == nil {
		result = new(testResult)
		r.tests[e.Test] = result
		for at := strings.LastIndexByte(e.Test, '/'); at > 0; at = strings.LastIndexByte(e.Test[:at], '/') {
			if above := r.tests[e.Test[:at]]; above != nil {
				above.parent = true
				break
			}
		}
	}
	switch e.Action {
	case "pass":
		result.outcome = passed
	case "fail":
		result.outcome = failed
	case "skip":
		result.outcome = skipped
	}
}

// endPackage counts and reports a package.
func (s *summary) endPackage(e event, run *packageRun) {
	before := *s
	s.count(run)
	tests := s.passed + s.failed + s.skipped - before.passed - before.failed - before.skipped
	if e.Action == "fail" && s.failed == before.failed {
		// It did not build, or its process ended badly outside of any test.
		s.failed++
	}
	if s.failed > before.failed || s.skipped > before.skipped {
		s.explain(e.Package, run)
		return
	}
	if tests > 0 {
		s.print(fmt.Sprintf("ok    %s  %d tests in %.1f s\n", e.Package, tests, e.Elapsed))
	}
}

// count adds the package's tests. A parent stands for its subtests, unless it failed by itself.
func (s *summary) count(run *packageRun) {
	for name, result := range run.tests {
		switch {
		case result.parent && (!result.bad() || run.badBelow(name)):
			// Its subtests are counted.
		case result.bad():
			s.failed++
		case result.outcome == skipped:
			s.skipped++
		default:
			s.passed++
		}
	}
}

// bad says that a test failed or never ended.
func (r *testResult) bad() bool { return r.outcome == failed || r.outcome == running }

// badBelow says that a subtest of the named test is bad.
func (r *packageRun) badBelow(name string) bool {
	for other, result := range r.tests {
		if result.bad() && strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// explain prints all that the package and its tests that did not pass have printed.
func (s *summary) explain(name string, run *packageRun) {
	s.print("\n=== " + name + "\n")
	for _, line := range run.output {
		if result := run.tests[line.Test]; result == nil || result.outcome != passed {
			s.print(line.Output)
		}
	}
	s.print("\n")
}

// finish reports packages that never ended, prints the last line and says whether all is well; ok is
// what go test itself thought.
func (s *summary) finish(ok bool) bool {
	var names []string
	for name := range s.packages {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s.endPackage(event{Action: "fail", Package: name}, s.packages[name])
	}
	total := s.passed + s.failed + s.skipped
	if s.failed == 0 && (!ok || total == 0) {
		s.print("go test failed or ran nothing; see above\n")
		s.failed++
	}
	s.print(fmt.Sprintf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped))
	return s.failed == 0 && s.skipped == 0
}

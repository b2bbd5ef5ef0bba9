package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/voxagent/dispatcher/scripts/rig"
)

// report is a scenario's table: a row for each run as it ends, then a verdict for each bound.
type report struct {
	out    io.Writer
	missed []string
}

func newReport(title string) *report {
	fmt.Printf("\n%s\n\n", title)
	return &report{out: os.Stdout}
}

// runHeader and runRow are of fixed width, so that each run shows as soon as it ended.
func (r *report) runHeader() {
	_, _ = fmt.Fprintf(r.out, "%-16s %9s %8s %8s %9s %8s %8s %8s %8s %8s %8s %6s\n", "run", "others/s", "p50 ms", "p99 ms", "max ms",
		"oldest s", "missing", "again", "parked", "CPU µs", "RSS MiB", "load")
}

func (r *report) runRow(name string, o *outcome) {
	_, _ = fmt.Fprintf(r.out, "%-16s %9.0f %8.1f %8.1f %9.1f %8.1f %8d %8d %8.0f %8.1f %8.0f %6s\n", name, o.perSecond, o.p50, o.p99,
		o.max, o.oldest, o.missing, o.again, o.parked, o.micros, o.rss, loadAverage())
}

// loadAverage is the machine's over the last minute, by which a run that others disturbed is known; empty: unknown.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// bound is a promise and what was measured of it.
type bound struct {
	what    string
	value   float64
	atLeast bool
	limit   float64
}

func (b *bound) kept() bool {
	if b.atLeast {
		return b.value >= b.limit
	}
	return b.value <= b.limit
}

// verdict prints the bounds; end returns an error if one was missed.
func (r *report) verdict(bounds ...bound) {
	_, _ = fmt.Fprintln(r.out)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	for i := range bounds {
		b := &bounds[i]
		sign, word := "≤", "ok"
		if b.atLeast {
			sign = "≥"
		}
		if !b.kept() {
			word = "NO"
			r.missed = append(r.missed, b.what)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\n", b.what, short(b.value), sign, short(b.limit), word)
	}
	_ = w.Flush()
}

// short writes a figure with two decimals, if it has any.
func short(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

func (r *report) end() error {
	if len(r.missed) == 0 {
		return nil
	}
	return fmt.Errorf("missed: %s", strings.Join(r.missed, "; "))
}

// middle is the median of one figure of several runs, worst the greatest.
func middle(outs []outcome, figure func(*outcome) float64) float64 {
	return rig.Median(figuresOf(outs, figure))
}

func worst(outs []outcome, figure func(*outcome) float64) float64 {
	most := 0.0
	for _, v := range figuresOf(outs, figure) {
		most = max(most, v)
	}
	return most
}

func figuresOf(outs []outcome, figure func(*outcome) float64) []float64 {
	values := make([]float64, len(outs))
	for i := range outs {
		values[i] = figure(&outs[i])
	}
	return values
}

func perSecond(o *outcome) float64 { return o.perSecond }
func p99(o *outcome) float64       { return o.p99 }
func oldest(o *outcome) float64    { return o.oldest }
func missing(o *outcome) float64   { return float64(o.missing) }

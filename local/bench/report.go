package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report holds the figures that were measured.
type report struct {
	Machine machine   `json:"machine"`
	Options settings  `json:"options"`
	Figures []figure  `json:"figures"`
	began   time.Time // start of the whole run
}

type machine struct {
	CPUs   int    `json:"cpus"`
	System string `json:"system"`
	Go     string `json:"go"`
	Shared string `json:"shared"`
}

type settings struct {
	Copies      int     `json:"copies"`
	Mailboxes   int     `json:"mailboxes"`
	Concurrency int     `json:"concurrency"`
	Latency     float64 `json:"latencySeconds"`
}

// figure is one line of the table. If there is a limit, the ratio to it matters: absolute values depend on the machine.
type figure struct {
	Group string   `json:"group"`
	Name  string   `json:"name"`
	Value *float64 `json:"value"` // nil: it could not be measured on this system
	Unit  string   `json:"unit"`
	Limit *float64 `json:"limit,omitempty"`
	Of    string   `json:"limitIs,omitempty"` // what the limit is
	Ratio *float64 `json:"ratio,omitempty"`   // value / limit
	Least float64  `json:"least,omitempty"`   // minimum of the ratio, or 0
	Most  float64  `json:"most,omitempty"`    // maximum of the ratio, or 0
	Holds verdict  `json:"holds,omitempty"`
}

func newReport(o options) *report {
	return &report{
		began: time.Now(),
		Machine: machine{runtime.NumCPU(), runtime.GOOS + "/" + runtime.GOARCH, runtime.Version(),
			"the site, Graph, Azurite and the handlers share these CPUs"},
		Options: settings{o.copies, o.mailboxes, o.concurrency, o.latency.Seconds()},
	}
}

// add adds a figure. A value or limit that is NaN or infinite is unknown.
func (r *report) add(group, name string, value float64, unit string, l limit) {
	f := figure{Group: group, Name: name, Value: knownValue(value), Unit: unit, Limit: knownValue(l.value), Of: l.of,
		Least: l.least, Most: l.most, Holds: l.judge(value)}
	if f.Value != nil && f.Limit != nil {
		f.Ratio = knownValue(value / l.value)
	}
	r.Figures = append(r.Figures, f)
}

// knownValue returns a pointer to v, or nil if v is NaN or infinite.
func knownValue(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// inMegabytes returns a size in MB, or NaN if it is unknown.
func inMegabytes(n int64, ok bool) float64 {
	if !ok {
		return math.NaN()
	}
	return float64(n) / 1e6
}

func (r *report) writeJSON(w io.Writer) {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(r) // an error means that the reader has closed the pipe
}

func (r *report) print(w io.Writer) {
	const row = "%-62s %18s   %-58s %7s  %s\n"
	fmt.Fprintf(w, "\n%d CPUs, %s, %s; %s.\nMeasured in %s.\n\n",
		r.Machine.CPUs, r.Machine.System, r.Machine.Go, r.Machine.Shared,
		time.Since(r.began).Round(time.Second))
	fmt.Fprintf(w, row, "figure", "value", "limit", "ratio", "holds")
	group := ""
	for _, f := range r.grouped() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(w, "\n%s\n", group)
		}
		limit, ratio := f.shown()
		fmt.Fprintln(w, strings.TrimRight(strings.TrimSuffix(
			fmt.Sprintf(row, "  "+f.Name, formatNumber(f.Value)+" "+f.Unit, limit, ratio, f.Holds), "\n"), " "))
	}
	r.sum(w)
}

// grouped returns the figures sorted by group, whenever they were measured; groups are in the order of their first
// figures.
func (r *report) grouped() []figure {
	first := map[string]int{}
	for i, f := range r.Figures {
		if _, ok := first[f.Group]; !ok {
			first[f.Group] = i
		}
	}
	all := slices.Clone(r.Figures)
	slices.SortStableFunc(all, func(a, b figure) int { return first[a.Group] - first[b.Group] })
	return all
}

// formatNumber formats a number with three significant digits and thousands separators.
func formatNumber(v *float64) string {
	if v == nil {
		return "n/a"
	}
	digits := 0
	if size := math.Abs(*v); size > 0 {
		digits = min(4, max(0, 2-int(math.Floor(math.Log10(size)))))
	}
	text := strconv.FormatFloat(*v, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// The marks between which the tables are in a document.
const (
	docBegin = "<!-- bench -->\n"
	docEnd   = "<!-- /bench -->"
)

// writeInto writes the figures into a document, as Markdown tables, and replaces those of an earlier run.
func (r *report) writeInto(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(raw), docBegin)
	_, after, also := strings.Cut(rest, docEnd)
	if !ok || !also {
		return fmt.Errorf("%s has no place for the figures: %s%s", file, docBegin, docEnd)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n%d CPUs, %s, %s; %s.\n", before, docBegin,
		r.Machine.CPUs, r.Machine.System, r.Machine.Go, r.Machine.Shared)
	group := ""
	for _, f := range r.grouped() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n**%s**\n\n| figure | value | limit | ratio | holds |\n|---|---:|---|---:|---|\n", group)
		}
		limit, ratio := f.shown()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", strings.TrimSpace(f.Name),
			strings.TrimSpace(formatNumber(f.Value)+" "+f.Unit), limit, ratio, f.Holds)
	}
	fmt.Fprintf(&b, "\n%s\n\n%s%s", r.verdicts(), docEnd, after)
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// shown returns the limit and the ratio to it as text; both may be empty.
func (f figure) shown() (limit, ratio string) {
	limit = f.Of
	if f.Limit != nil {
		limit = strings.TrimSpace(formatNumber(f.Limit)+" "+f.Unit) + ": " + f.Of
	}
	switch {
	case f.Most > 0:
		limit = "≤ " + limit
	case f.Least == 1:
		limit = "≥ " + limit
	case f.Least > 0:
		limit = fmt.Sprintf("≥ %.0f %% of %s", 100*f.Least, limit)
	}
	if f.Ratio != nil {
		ratio = fmt.Sprintf("%.3f", *f.Ratio)
	}
	return limit, ratio
}

// Command bench measures the connector on this machine and prints each figure with its limit. It measures fetch and
// import as they are deployed, in the stand-in for the Functions host, against real Azurite in memory and the stand-ins
// for the site and for Graph; fetch with deliveries also against a stand-in for the storage. It asks the portal's built
// handler for its pages, over a generated year.
//
//	go run ./local/bench
//
// For each figure with a limit the table says whether it holds; with -check, a figure that does not is an error. The
// figures are explained in docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/local/cloud"
)

// options holds the command line's flags.
type options struct {
	copies      int
	mailboxes   int
	concurrency int
	latency     time.Duration
	zips        int
	batchDays   int
	big         bool
	only        string
	check       bool
	json        bool
	doc         string
	limit       time.Duration
}

// items returns the number of texts that the site holds: all that are imported, and some more, because parts consist of
// whole batches.
func (o options) items() int { return o.copies*3/2 + 8*o.mailboxes + 2000 }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 if everything was measured, whatever the figures are; 1 if not, or if -check finds one
// that does not hold; 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return 2
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("it took longer than %v (see -limit)", o.limit))
	defer cancel()
	r := newReport(o)
	err = measureAll(ctx, o, r, stderr)
	if o.json {
		r.writeJSON(stdout)
	} else {
		r.print(stdout)
	}
	if err == nil && o.doc != "" {
		err = r.writeInto(o.doc)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	if o.check && !r.kept() {
		fmt.Fprintln(stderr, "bench:", r.verdicts())
		return 1
	}
	return 0
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.copies, "copies", 24_000,
		"texts that the longest import imports, each one copy; the others import parts of so many")
	f.IntVar(&o.mailboxes, "mailboxes", 150, "mailboxes that they go to")
	f.IntVar(&o.concurrency, "concurrency", 64,
		"highest IMPORT_CONCURRENCY, C in C/L; the longest import has half of it")
	f.DurationVar(&o.latency, "latency", 100*time.Millisecond, "what each request to Graph takes, L in C/L")
	f.IntVar(&o.zips, "zips", 20, "delivered ZIPs of 5,000 EML that are read; some steps read four of them")
	f.IntVar(&o.batchDays, "batchdays", 7,
		"days of the portal's year whose batches have their rows; no page reads those of more than one day")
	f.BoolVar(&o.big, "big", true,
		"take a recording of 150 MB through fetch and import, too, and fetch a million items and delivered EML")
	f.StringVar(&o.only, "only", "",
		"take only the steps whose name has this `text` in it, and those that they need")
	f.BoolVar(&o.check, "check", false, "end with 1 if a figure does not keep to what is asked of it")
	f.BoolVar(&o.json, "json", false, "print one JSON object in place of the table")
	f.StringVar(&o.doc, "doc", "",
		"put the figures into this Markdown `file` too, where docs/performance.md has them")
	f.DurationVar(&o.limit, "limit", 30*time.Minute, "end after this time, with what there is")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.copies < 100 || o.mailboxes < 1 || o.concurrency < 2 || o.concurrency > 1024 ||
		o.latency <= 0 || o.zips < 1 || o.batchDays < 1 || o.batchDays > maxBatchDays {
		fmt.Fprintln(stderr, "bench: -copies is at least 100, -mailboxes at least 1, -concurrency 2 to 1024, "+
			"-latency more than 0, -zips at least 1, -batchdays 1 to 60, and there are no arguments besides the flags")
		f.Usage()
		return o, flag.ErrHelp
	}
	return o, nil
}

// step is one measurement.
type step struct {
	what  string
	do    func(context.Context, *report) error
	first bool // others need what it starts and leaves
	alone bool // it needs nothing of those before it
}

// chosen returns the steps that the flags choose, and those before them that they need.
func (w *world) chosen() []step {
	all := []step{
		{what: "Converting", do: measureConversion, alone: true},
		{what: "Starting the handlers", do: w.startHandlers, first: true},
		{what: "Fetching", do: w.fetchDay, first: true},
		{what: "Importing a day", do: w.importDay},
		{what: "Importing with more at once", do: w.moreAtOnce},
		{what: "Importing with several processes", do: w.several},
		{what: "Importing into one mailbox", do: w.oneBox},
		{what: "An hour of one mailbox, in virtual time", do: w.hour, alone: true},
		{what: "Pages of the portal, over a year", do: w.portalPages, alone: true},
	}
	if w.o.big {
		all = append(all,
			step{what: "Deliveries from a landing container", do: w.deliveries, alone: true},
			step{what: "Deliveries into Azurite", do: w.deliveriesIntoAzurite, alone: true},
			step{what: "Deliveries by SFTP", do: w.deliveriesBySFTP, alone: true},
			step{what: "Deliveries that are hostile", do: w.hostileDeliveries, alone: true},
			step{what: "Fetching and importing a recording of 150 MB", do: w.recording},
			step{what: "Fetching a million items", do: w.million})
	}
	matches := func(s step) bool { return strings.Contains(s.what, w.o.only) }
	needed := slices.ContainsFunc(all, func(s step) bool { return matches(s) && !s.alone })
	return slices.DeleteFunc(all, func(s step) bool { return !matches(s) && !(s.first && needed) })
}

// measureAll runs the measurements one after the other, so that none shares the processors with another.
func measureAll(ctx context.Context, o options, r *report, progress io.Writer) error {
	root, err := cloud.Root()
	if err != nil {
		return err
	}
	say := func(what string) { fmt.Fprintln(progress, what, "…") }
	say("Building the function apps")
	// The stand-ins hold everything that they receive: collecting garbage often would take time from what is measured.
	debug.SetGCPercent(collected)
	out := filepath.Join(root, "build", "bench")
	if err := appbuild.Build(ctx, appbuild.Options{Root: root, Out: out, Local: true}, appbuild.All()...); err != nil {
		return err
	}
	w, err := startWorld(ctx, o, root, out)
	if err != nil {
		return err
	}
	defer w.stop()
	for _, step := range w.chosen() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		say(step.what)
		if err := step.do(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// Command unmapped lists the numbers and addresses whose items found no mailbox:
// go run ./infra/unmapped [-region GB] FOLDER
//
// FOLDER holds batches/ and journal/, as az downloads them (infra/runbook.md, "unmapped") and as infra/export leaves
// them. Telephone numbers and email addresses are printed on purpose: they are what the mapping lacks. They go to
// standard output only, and only if that is a terminal or a file, because the output of a pipe may end up in a log. The
// command changes nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"

	"o2archiver/shared/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	region := flag.String("region", "GB", "`country` of numbers in national form, as in DEFAULT_REGION")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "unmapped: usage: unmapped [-region GB] FOLDER")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(ctx, flag.Arg(0), *region, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "unmapped: "+err.Error())
		os.Exit(1)
	}
}

// errGathered reports that standard output is neither a terminal nor a file.
var errGathered = errors.New(
	"telephone numbers have no place in a log: run this in a terminal, or send its output to a file (> FILE)")

// run prints the list, and nothing unless the whole folder could be read. No error holds anything of the content.
func run(ctx context.Context, folder, region string, stdout *os.File) error {
	to, err := stdout.Stat()
	if err != nil {
		return err
	}
	if !to.Mode().IsRegular() && to.Mode()&fs.ModeCharDevice == 0 {
		return errGathered
	}
	l, err := report.ReadUnmapped(ctx, report.Folder(folder), region)
	if err != nil {
		return err
	}
	return printList(stdout, l)
}

// Command portal is the function app with the pages for the administrator and the records officer: they set the
// connector up, watch it, account for what became of each message, and put right what was not archived.
//
// It reads what fetch and import write about themselves, and writes settings, commands and the audit log. It holds no
// right on messages, attachments, journals, the ledger or mailboxes, and may set the passwords but not read them. This
// package reads the settings, builds the clients and has the table of routes; the pages are in internal/.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"o2archiver/shared/funchost"
)

func main() {
	funchost.QuietLibraries()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	funchost.TuneGC(os.LookupEnv, garbage, memory)
	err := run(ctx, os.Environ(), os.LookupEnv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "portal:", err)
	}
	os.Exit(funchost.ExitCode(err))
}

// The garbage collector's limits trade memory for time: a page of a large day decodes some megabytes, in a process that
// holds few. Beyond the memory limit it is collected more often.
const (
	garbage = 400       // GC percentage
	memory  = 200 << 20 // memory limit, bytes
)

// run serves the host until ctx ends. Faulty settings are reported by each page, as the other apps report them by each
// invocation: the host gives up a handler that exits.
func run(ctx context.Context, environment []string, lookup func(string) (string, bool), stdout io.Writer) error {
	log := slog.New(slog.NewJSONHandler(stdout, nil)).With("app", "portal")
	port, ok := lookup("FUNCTIONS_CUSTOMHANDLER_PORT")
	if !ok {
		return errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is not set: this program is started by the " +
			"Azure Functions host; to try it, use `go run ./local -portal`")
	}
	version, commit := funchost.Build()
	log.Info("started", "event", "portal.started", "version", version, "commit", commit)
	application, err := newApplication(environment, lookup, http.DefaultTransport, log, time.Now)
	if err != nil {
		return err // a mistake in this program
	}
	return funchost.ServeHandler(ctx, port, application)
}

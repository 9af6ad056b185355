// Command fetch is the function app that fetches the organization's items from the TeleMessage site once a day and
// writes them to Blob storage as batches.
//
// It holds the site's credentials and may write batches, media and its checkpoint; it can neither read nor write a
// mailbox.
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
	"o2archiver/shared/settings"
)

func main() {
	funchost.QuietLibraries()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if os.Getenv("SOURCE") == settings.Deliveries {
		funchost.TuneGC(os.LookupEnv, garbage, memory)
	}
	err := run(ctx, os.LookupEnv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
	}
	os.Exit(funchost.ExitCode(err))
}

// The garbage collector's limits with deliveries trade memory for time where a message costs more garbage than anything
// else: with the default settings collecting it took a sixth of the processor time of reading deliveries. Near the
// memory limit it is collected more often.
const (
	garbage = 300      // GC percentage
	memory  = 80 << 20 // memory limit, bytes
)

// run serves the host until ctx ends. Faulty settings are reported by each invocation instead of ending the process:
// the host restarts a handler that exits, gives it up after the third non-zero exit in 30 minutes (seen with host
// 4.1045), and the reason is lost.
func run(ctx context.Context, lookup func(string) (string, bool), stdout io.Writer) error {
	log := slog.New(slog.NewJSONHandler(stdout, nil)).With("app", "fetch")
	port, ok := lookup("FUNCTIONS_CUSTOMHANDLER_PORT")
	if !ok {
		return errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is not set: this program is started by the " +
			"Azure Functions host; to try it, use `make run`")
	}
	version, commit := funchost.Build()
	log.Info("started", "event", "fetch.started", "version", version, "commit", commit)
	e, err := newEngines(lookup, http.DefaultTransport, time.Now, log)
	if err != nil {
		log.Error("settings", "event", "fetch.settingsRefused", "error", err.Error())
	}
	return funchost.New(log, funchost.Deadline, routes(e, err)).Serve(ctx, port)
}

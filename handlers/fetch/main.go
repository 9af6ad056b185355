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
)

func main() {
	funchost.QuietLibraries()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.LookupEnv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
	}
	os.Exit(funchost.ExitCode(err))
}

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

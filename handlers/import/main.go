// Command import is the function app that turns batches into e-mail messages and imports them into mailboxes, and
// sweeps up the batches whose event was lost.
//
// It may read batches and media, and write mailboxes, the ledger and the journal; it holds no credentials of the
// source. This package reads the settings, builds the clients and passes both to the engines in internal/: recipients,
// importer and sweeper, each of which imports only those before it.
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
	_ "time/tzdata" // the mapping's dates are days of Europe/London, and the Functions image has no time zone data

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"

	"o2archiver/handlers/import/internal/tallier"
	"o2archiver/shared/funchost"
)

func main() {
	funchost.QuietLibraries()
	otel.SetLogger(logr.Discard()) // the Graph SDK's unconfigured telemetry would write to standard error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	funchost.TuneGC(os.LookupEnv, garbage, memory)
	err := run(ctx, os.LookupEnv, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "import:", err)
	}
	os.Exit(funchost.ExitCode(err))
}

// The garbage collector's limits trade memory for time: little memory is in use, and with the default settings garbage
// collection took a sixth of the processor time. Near the memory limit it runs more often. The smallest instance of
// Flex Consumption has 512 MB.
const (
	garbage = 400       // GC percentage
	memory  = 320 << 20 // memory limit, bytes
)

// run serves the host until ctx ends. As in fetch, faulty settings are reported by each invocation.
func run(ctx context.Context, lookup func(string) (string, bool), stdout io.Writer) error {
	log := slog.New(slog.NewJSONHandler(stdout, nil)).With("app", "import")
	port, ok := lookup("FUNCTIONS_CUSTOMHANDLER_PORT")
	if !ok {
		return errors.New("FUNCTIONS_CUSTOMHANDLER_PORT is not set: this program is started by the Azure Functions " +
			"host; to try it, use `make run`")
	}
	version, commit := funchost.Build()
	log.Info("started", "event", "import.started", "version", version, "commit", commit)
	e, err := newEngines(lookup, nil, time.Now, log)
	if err != nil {
		log.Error("settings", "event", "import.settingsRefused", "error", err.Error())
	}
	return funchost.New(log, funchost.Deadline, routes(e, err)).Serve(ctx, port)
}

// newEngines reads the settings and builds everything that the functions need. It makes no request.
func newEngines(
	lookup func(string) (string, bool), transport http.RoundTripper, now func() time.Time, log *slog.Logger,
) (*engines, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	c.log = log
	cl, err := c.connect(transport, now)
	if err != nil {
		return nil, err
	}
	return c.build(cl, bounds{}, now), nil
}

// newTallier returns what writes the totals.
func (c config) newTallier(cl clients, now func() time.Time) *tallier.Tallier {
	return tallier.New(tallier.Options{Table: cl.totals, Reports: cl.store.Reports(), Batches: cl.batches,
		Logs: cl.logs, Region: c.region, Now: now})
}

// reportConnector logs why settings/connector.json is not used as it is.
func (c config) reportConnector(err error) {
	c.log.Error("the administrator's document can't be used: the former one stays in force", "event",
		"import.connectorRefused", "error", err.Error())
}

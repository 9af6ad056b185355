package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
	"o2archiver/local/host"
	"o2archiver/local/vendorday"
	"o2archiver/shared/archive"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

const (
	siteUser     = "o2-archive"
	sitePassword = "bench"
	graphToken   = "local"
)

// world is everything that runs during a measurement.
type world struct {
	o         options
	root      string // of the repository
	out       string // the folder of the built apps
	day       day
	azurite   *azurite.Azurite
	served    served // counts of Azurite's requests
	store     *archive.Store
	siteAt    string
	graph     *mailboxtest.Graph
	creates   *creates
	graphAt   string
	latency   time.Duration // of the current Graph
	fetch     *app
	imports   *app
	log       *os.File
	said      logged              // the handlers' output, written to log
	rest      []archive.BatchInfo // the day's batches that are not imported yet
	perItem   fetched
	zips      []vendorday.ZIP // the first deliveries
	delivered float64         // MB: the memory of fetch with all deliveries; 0: not measured
	servers   cloud.Servers
	closers   []func()
}

// app is a function app in the stand-in for the host.
type app struct {
	*host.StandIn
	idle   int64 // resident memory in bytes before there was anything to do
	idleOK bool
}

// startWorld starts the storage and the stand-ins. If it fails, it stops what it has started.
func startWorld(ctx context.Context, o options, root, out string) (_ *world, err error) {
	w := &world{o: o, root: root, out: out, day: day{from: time.Now().UTC().Truncate(time.Second).Add(-24 * time.Hour),
		items: o.items(), mailboxes: o.mailboxes}}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	if w.log, err = os.Create(filepath.Join(out, "bench.log")); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	w.said.to = w.log
	w.closers = append(w.closers, func() { _ = w.log.Close() }, w.servers.Close)
	if err := w.startStorage(ctx, root); err != nil {
		return nil, err
	}
	site := newSite()
	site.Generate(w.day.items, w.day.archived, w.day.json)
	if w.siteAt, err = w.servers.Serve(site); err != nil {
		return nil, err
	}
	return w, w.startGraph(o.latency)
}

func (w *world) startStorage(ctx context.Context, root string) (err error) {
	if w.azurite, err = azurite.Start(ctx, azurite.Options{Root: root, Log: w.log, Access: w.served.note}); err != nil {
		return fmt.Errorf("start Azurite: %w", err)
	}
	w.closers = append(w.closers, w.azurite.Stop)
	w.store, err = cloud.Prepare(ctx, w.azurite.ConnectionString())
	return err
}

// startGraph replaces the current Graph by one with empty mailboxes. Handlers started from then on use it.
func (w *world) startGraph(latency time.Duration) (err error) {
	w.latency = latency
	w.graph = mailboxtest.New(mailboxtest.Options{
		Token: graphToken, Users: tenantUsers(w.o.mailboxes), Latency: latency,
		MessageLimit: 150 << 20, // the maximum that a tenant may allow
	})
	w.creates = &creates{}
	w.graphAt, err = w.servers.ServeGraph(w.graph, w.creates.wrap)
	return err
}

func newSite() *telemessagetest.Site {
	return telemessagetest.New(telemessagetest.Options{Username: siteUser, Password: sitePassword})
}

// settings returns the settings of both apps, with c for IMPORT_CONCURRENCY.
func (w *world) settings(c int) []string {
	return []string{
		"ARCHIVE_STORAGE=" + w.azurite.ConnectionString(), "TELEMESSAGE_URL=" + w.siteAt,
		"TELEMESSAGE_USERNAME=" + siteUser, "TELEMESSAGE_PASSWORD=" + sitePassword,
		"FETCH_FROM=" + w.day.from.Format(time.RFC3339), "FETCH_SCHEDULE=0 30 5 * * *", "GRAPH_URL=" + w.graphAt,
		fmt.Sprintf("IMPORT_CONCURRENCY=%d", c), "FUNCTIONS_WORKER_RUNTIME=custom",
	}
}

// host starts an app with settings.
func (w *world) host(ctx context.Context, name string, settings []string) (*app, error) {
	h, err := host.Start(ctx, host.Options{
		App: filepath.Join(w.out, name), Env: settings, Log: &w.said, Pause: time.Second})
	if err != nil {
		return nil, fmt.Errorf("start the app %s: %w", name, err)
	}
	w.closers = append(w.closers, func() { _ = h.Stop() })
	time.Sleep(500 * time.Millisecond) // the handler may still be starting after its first answer
	a := &app{StandIn: h}
	a.idle, _, a.idleOK = processMemory(h.Pid())
	return a, nil
}

// again replaces the running app by a new process.
func (w *world) again(ctx context.Context, name string, c int) (err error) {
	a := &w.fetch
	if name == "import" {
		a = &w.imports
	}
	if *a != nil {
		_ = (*a).Stop()
	}
	*a, err = w.host(ctx, name, w.settings(c))
	return err
}

// stop stops everything, in the reverse order of its start.
func (w *world) stop() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	w.closers = nil
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
	"o2archiver/local/host"
	"o2archiver/local/sample"
	"o2archiver/local/vault"
	"o2archiver/shared/archive"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// The credentials that the stand-ins of the sample day require.
const (
	siteUser     = "o2-archive"
	sitePassword = "sample-day"
	graphToken   = "local"
)

// world is everything that runs in one start.
type world struct {
	options options
	azurite *azurite.Azurite // nil: ARCHIVE_STORAGE was given
	store   *archive.Store
	site    *telemessagetest.Site // nil: TELEMESSAGE_URL was given, or the items come as deliveries
	sampled bool                  // the items are those of the sample day
	graph   *mailboxtest.Graph    // nil: GRAPH_URL was given
	graphAt string
	fetch   host.Host
	imports host.Host
	log     *logFile
	folder  *folder // nil: without -storage
	servers cloud.Servers
	closers []func()

	vault     *vault.Vault // nil: the environment has the passwords
	vaultAt   string
	portalAt  string       // "": the portal does not run
	portalApp host.Options // with which it runs
	landing   string       // blob service of the landing container's account; "": there is none
	hints     []string     // what a set-up asks for
}

// startWorld starts everything. custom is the mapping file to use instead of the sample day's, or nil. If it fails, it
// stops what it has started.
func startWorld(ctx context.Context, o options, custom *mapping, lookup func(string) (string, bool),
	progress io.Writer) (_ *world, err error) {
	w := &world{options: o}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	root, err := cloud.Root()
	if err != nil {
		return nil, err
	}
	if o.host == "func" {
		if _, err := exec.LookPath("func"); err != nil {
			return nil, errors.New("-host func needs Azure Functions Core Tools 4: `func` is not on PATH; see " +
				"https://learn.microsoft.com/azure/azure-functions/functions-run-local")
		}
	}
	if _, ok := lookup("ARCHIVE_STORAGE"); !ok || o.host == "func" {
		if err := azurite.CheckNode(ctx); err != nil { // checked before the build, which takes long
			return nil, err
		}
	}
	if o.storage != "" {
		if w.folder, err = holdFolder(ctx, o.storage, progress); err != nil {
			return nil, err
		}
		w.closers = append(w.closers, w.folder.release)
	}
	if w.log, err = openLog(cmp.Or(o.storage, stagedDir(root)), time.Now()); err != nil {
		return nil, err
	}
	w.closers = append(w.closers, w.log.close, w.servers.Close)
	fmt.Fprintf(progress, "Log of this run: %s\n", w.log.path)
	fmt.Fprintln(progress,
		"Building the function apps (the first time takes some minutes: the Graph SDK is large) …")
	if err := appbuild.Build(ctx, appbuild.Options{Root: root, Out: stagedDir(root), Local: true},
		o.apps()...); err != nil {
		return nil, err
	}
	fmt.Fprintln(progress, "Starting Azurite, the stand-ins and the function apps …")
	env, err := w.environment(ctx, root, custom, lookup, progress)
	if err != nil {
		return nil, err
	}
	w.warn(custom, progress)
	return w, w.startHosts(ctx, root, env)
}

// environment starts a stand-in for each service that the environment does not name, and returns the settings for the
// function apps. Settings of the environment are not changed.
func (w *world) environment(ctx context.Context, root string, custom *mapping,
	lookup func(string) (string, bool), progress io.Writer) (env []string, err error) {
	given := func(name string) (string, bool) {
		v, ok := lookup(name)
		return v, ok && v != ""
	}
	for _, setting := range settings.Table() {
		if v, ok := given(setting.Name); ok {
			env = append(env, setting.Name+"="+v)
		}
	}
	add := func(name, value string) {
		if _, ok := given(name); !ok {
			env = append(env, name+"="+value)
		}
	}
	storage, ok := given("ARCHIVE_STORAGE")
	if !ok || w.options.host == "func" { // the real host needs a storage account of its own
		if err := w.startAzurite(ctx, root); err != nil {
			return nil, err
		}
		add("AzureWebJobsStorage", w.azurite.ConnectionString())
		add("ARCHIVE_STORAGE", w.azurite.ConnectionString())
		storage = cmp.Or(storage, w.azurite.ConnectionString())
	}
	if w.store, err = cloud.Prepare(ctx, storage); err != nil {
		return nil, err
	}
	if w.options.hasPortal() && canServeVault() {
		set := func(name, value string) { env = append(env, name+"="+value) }
		if err := w.startVault(set); err != nil {
			return nil, err
		}
	}
	if w.options.portal {
		if err := w.beginSetUp(ctx); err != nil {
			return nil, err
		}
	}
	day, err := w.sampleDay()
	if err != nil {
		return nil, err
	}
	_, ok = given("TELEMESSAGE_URL")
	switch {
	case isDelivery(w.options.source):
		if err := w.startDeliveries(ctx, root, day, given, add, progress); err != nil {
			return nil, err
		}
	case !ok:
		at, err := w.startSite(day)
		if err != nil {
			return nil, err
		}
		add("TELEMESSAGE_URL", at)
		w.siteCredentials(given, add)
		add("FETCH_FROM", day.From.Format(time.RFC3339))
	}
	if _, ok := given("GRAPH_URL"); !ok {
		if err := w.startGraph(day); err != nil {
			return nil, err
		}
		add("GRAPH_URL", w.graphAt)
	}
	add("FETCH_SCHEDULE", "0 30 5 * * *")
	add("FUNCTIONS_WORKER_RUNTIME", "custom")
	var file []byte
	switch {
	case custom != nil:
		file = custom.data
	case w.sampled && !w.options.portal: // a set-up asks for it
		file = day.Mapping
	}
	if file != nil {
		if _, err := w.store.Mapping().Write(ctx, file); err != nil {
			return nil, fmt.Errorf("put the mapping in place: %w", err)
		}
	}
	return env, nil
}

// startAzurite starts the storage emulator, with its data in the folder of -storage if there is one.
func (w *world) startAzurite(ctx context.Context, root string) (err error) {
	o := azurite.Options{Root: root, Log: w.log.named("azurite"), Accounts: 1} // the other one is for deliveries
	if w.options.storage != "" {
		o.Dir, o.Hold = filepath.Join(w.options.storage, "azurite"), w.folder.emulator
	}
	w.azurite, err = azurite.Start(ctx, o)
	if err != nil {
		return fmt.Errorf("start Azurite: %w", err)
	}
	w.closers = append(w.closers, w.azurite.Stop)
	return nil
}

// savedDay is what -storage keeps of the sample day, so that each start makes the same one.
type savedDay struct {
	End   time.Time
	Texts int // 0: all
}

func (d savedDay) make() *sample.Day {
	if d.Texts == 0 {
		return sample.Make(d.End)
	}
	return sample.MakeSmall(d.End, d.Texts)
}

// sampleDay returns the sample day, which ends 10 minutes before the first start with this storage.
func (w *world) sampleDay() (*sample.Day, error) {
	first := savedDay{time.Now().UTC().Add(-10 * time.Minute).Truncate(time.Second), w.options.texts}
	if w.options.storage == "" {
		return first.make(), nil
	}
	file := filepath.Join(w.options.storage, sampleFile)
	saved, err := readDay(file)
	if !errors.Is(err, os.ErrNotExist) {
		if err != nil {
			return nil, fmt.Errorf("-storage: %w", err)
		}
		return saved.make(), nil
	}
	raw, err := json.Marshal(first)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		return nil, fmt.Errorf("-storage: %w", err)
	}
	return first.make(), nil
}

// sampleFile is the name of the file in the folder of -storage that holds the savedDay.
const sampleFile = "sample.json"

// readDay reads what an earlier start wrote.
func readDay(file string) (saved savedDay, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return saved, err
	}
	if err := json.Unmarshal(raw, &saved); err != nil {
		return saved, fmt.Errorf("%s is not what an earlier start wrote: %w", file, err)
	}
	return saved, nil
}

// startSite starts the stand-in for the TeleMessage site, and returns its address.
func (w *world) startSite(day *sample.Day) (at string, err error) {
	w.sampled = true
	w.site = telemessagetest.New(telemessagetest.Options{Username: siteUser, Password: sitePassword})
	for _, item := range day.Items {
		w.site.Add(item.Archived, item.Raw)
	}
	mux := http.NewServeMux()
	mux.Handle("/", w.site)
	for _, c := range day.Contents {
		if c.Status == 0 {
			w.site.AddContent(c.Path, int64(len(c.Data)), func() io.Reader { return bytes.NewReader(c.Data) })
			continue
		}
		mux.HandleFunc("GET "+c.Path, func(rw http.ResponseWriter, _ *http.Request) {
			for name, value := range map[string]string{"Location": c.Location, "Retry-After": c.RetryAfter} {
				if value != "" {
					rw.Header().Set(name, value)
				}
			}
			rw.WriteHeader(c.Status)
		})
	}
	return w.servers.Serve(mux)
}

// startGraph starts the stand-in for Microsoft Graph.
func (w *world) startGraph(day *sample.Day) (err error) {
	o := mailboxtest.Options{Token: graphToken, KeepContent: w.options.hasPortal()}
	for _, u := range day.Users {
		o.Users = append(o.Users, mailboxtest.User(u))
	}
	if w.options.storage != "" {
		o.Dir = filepath.Join(w.options.storage, "graph")
	}
	if w.graph, err = mailboxtest.Open(o); err != nil {
		return fmt.Errorf("start the Graph stand-in: %w", err)
	}
	w.closers = append(w.closers, func() { _ = w.graph.Close() })
	w.graphAt, err = w.servers.ServeGraph(w.graph, nil)
	return err
}

// startHosts starts the function apps.
func (w *world) startHosts(ctx context.Context, root string, env []string) (err error) {
	open := func(app string) (host.Host, error) {
		o := host.Options{App: filepath.Join(stagedDir(root), app), Env: env, Log: w.log.named(app)}
		if w.options.host == "func" {
			return host.StartFunc(ctx, o)
		}
		o.Pause = time.Second // between the tries of a timer: short, because a person is waiting
		return host.Start(ctx, o)
	}
	if w.imports, err = open("import"); err != nil {
		return fmt.Errorf("start the app import: %w", err)
	}
	w.closers = append(w.closers, func() { _ = w.imports.Stop() })
	if w.fetch, err = open("fetch"); err != nil {
		return fmt.Errorf("start the app fetch: %w", err)
	}
	w.closers = append(w.closers, func() { _ = w.fetch.Stop() })
	if !w.options.hasPortal() {
		return nil
	}
	return w.startPortal(ctx,
		host.Options{App: filepath.Join(stagedDir(root), "portal"), Env: env, Log: w.log.named("portal")})
}

// stagedDir returns the folder in which the apps for this machine are built, apart from those that are deployed.
func stagedDir(root string) string { return filepath.Join(root, "build", "local") }

// stop stops everything, in the reverse order of its start.
func (w *world) stop() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	w.closers = nil
}

// whereToLook prints where the log and, with -keep, the mailboxes and the storage are.
func (w *world) whereToLook(out io.Writer) {
	fmt.Fprintln(out, "\nWhere to look")
	fmt.Fprintf(out, "  logs       %s\n", w.log.path)
	if w.graph != nil && w.options.keep {
		fmt.Fprintf(out, "  mailboxes  %s/v1.0/users (Authorization: Bearer %s)\n", w.graphAt, graphToken)
	}
	if w.azurite != nil && w.options.keep {
		fmt.Fprintf(out, "  storage    %s\n", w.azurite.BlobURL)
	}
	if !w.options.keep {
		fmt.Fprintln(out, "  go run ./local -keep         keeps mailboxes and storage up")
		fmt.Fprintln(out, "  go run ./local -storage DIR  keeps their data; the next start goes on there")
		fmt.Fprintln(out, "  go run ./local -h            what else there is; see also docs/local.md")
	}
}

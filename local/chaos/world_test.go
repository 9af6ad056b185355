package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
	"o2archiver/local/fault"
	"o2archiver/local/host"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/report"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// form is how much the tests do. TestMain reads it from the environment.
var form soak.Form

// accounts is how many worlds one Azurite holds. In memory it gets slower with all that was ever written to it.
const accounts = 300

// staged builds the apps once for all worlds of this test binary.
var staged = sync.OnceValues(func() (string, error) {
	root, err := cloud.Root()
	if err != nil {
		return "", err
	}
	out := filepath.Join(root, "build", "chaos")
	return out, appbuild.Build(context.Background(), appbuild.Options{Root: root, Out: out, Local: true},
		appbuild.Apps()...)
})

// emulators holds for each world an account of its own, of an Azurite that is stopped after the last of its worlds.
var emulators struct {
	mu      sync.Mutex
	now     *azurite.Azurite
	worlds  int // that now has had
	running map[*azurite.Azurite]int
}

// emulator returns an account. done is to be called once when it is not needed any more.
func emulator() (all, own *azurite.Azurite, done func(), err error) {
	e := &emulators
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now == nil || e.worlds == accounts {
		root, err := cloud.Root()
		if err != nil {
			return nil, nil, nil, err
		}
		next, err := azurite.Start(context.Background(), azurite.Options{Root: root, Accounts: accounts})
		if err != nil {
			return nil, nil, nil, err
		}
		if e.now != nil && e.running[e.now] == 0 {
			e.now.Stop()
		}
		if e.running == nil {
			e.running = map[*azurite.Azurite]int{}
		}
		e.now, e.worlds = next, 0
	}
	a, i := e.now, e.worlds
	e.worlds++
	e.running[a]++
	return a, a.For(i), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.running[a]--; e.running[a] == 0 && a != e.now {
			a.Stop()
		}
	}, nil
}

// world is an organization's archive, with a plan of what goes wrong between the handlers and all that they call.
type world struct {
	t       testing.TB
	day     *day
	plan    fault.Plan
	servers cloud.Servers
	host    string         // connection string for the real host's own storage
	account string         // the name of its account in the emulator
	storage string         // the way to it on which things go wrong
	around  string         // the way to it on which they don't
	store   *archive.Store // the one on which they don't
	events  *archive.Store // makes the addresses of batches as the handlers know them
	site    *telemessagetest.Site
	sftp    *deliverytest.Server // of a day of deliveries by SFTP
	graph   *mailboxtest.Graph
	env     []string
	log     *logged

	fetch, imports *host.StandIn
}

// newWorld brings up what the handlers talk to.
func newWorld(t testing.TB, d *day) *world {
	t.Helper()
	w := &world{t: t, day: d, log: &logged{}}
	for _, f := range d.faults {
		w.plan.Fail(f.kind, f.n, 1, f.fault)
	}
	t.Cleanup(w.servers.Close)
	if d.memory {
		w.inMemory()
	} else {
		w.onAzurite()
	}
	var err error
	if w.store, err = cloud.Prepare(t.Context(), w.around); err != nil {
		t.Fatal(err)
	}
	if w.events, err = archive.Open(archive.Config{ConnectionString: w.storage}); err != nil {
		t.Fatal(err)
	}
	source := []string{"TELEMESSAGE_URL=" + w.startSite(), "TELEMESSAGE_USERNAME=chaos", "TELEMESSAGE_PASSWORD=chaos",
		"FETCH_FROM=" + d.from.Format(time.RFC3339)}
	if d.zips != nil {
		source = w.startVendor()
	}
	w.graph = mailboxtest.New(mailboxtest.Options{Users: d.users, MessageLimit: 150 << 20, Latency: d.latency,
		Now: d.now})
	graphAt, err := w.servers.ServeGraph(w.graph,
		func(h http.Handler) http.Handler { return w.plan.Before("graph", graphCall, h) })
	if err != nil {
		t.Fatal(err)
	}
	if d.mapping != nil {
		if _, err := w.store.Mapping().Write(t.Context(), d.mapping); err != nil {
			t.Fatal(err)
		}
	}
	w.env = append(source, "ARCHIVE_STORAGE="+w.storage, "FETCH_SCHEDULE=0 30 5 * * *", "GRAPH_URL="+graphAt,
		"FUNCTIONS_WORKER_RUNTIME=custom", "IN_DOUBT_AFTER="+d.inDoubt.String())
	return w
}

// onAzurite sets the addresses of an account of Azurite.
func (w *world) onAzurite() {
	w.t.Helper()
	all, a, done, err := emulator()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(done)
	w.host, w.account, w.around = all.ConnectionString(), path.Base(a.BlobURL), a.ConnectionString()
	through := func(service string, kind func(*http.Request) string, to string) string {
		forward, path, err := cloud.Forward(to)
		if err != nil {
			w.t.Fatal(err)
		}
		return w.serve(w.plan.Before(service, kind, w.unseen(forward))) + path
	}
	w.storage = a.Through(through("blob", blobCall, a.BlobURL), through("table", tableCall, a.TableURL))
}

// forward returns the handler that passes requests on to a service of the stand-in in memory.
func forward(storage *archivetest.Storage, u *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }, Transport: storage,
		ErrorLog: log.New(io.Discard, "", 0), // an aborted request is not an error here
	}
}

// accountAt returns the connection string of the stand-in's account whose services are served at these addresses. As in
// Azure, the account is in the host's name: the address of a host that is an IP address has it in its path.
func accountAt(blobs, tables string) string {
	return strings.ReplaceAll("DefaultEndpointsProtocol=http;AccountName="+archivetest.Account+";AccountKey="+
		archivetest.Key+";BlobEndpoint="+blobs+";TableEndpoint="+tables, "127.0.0.1", "localhost")
}

// inMemory sets the addresses of an account of the stand-in in memory.
func (w *world) inMemory() {
	w.t.Helper()
	storage := archivetest.ForTest(w.t, nil)
	blobs, tables := forward(storage, storage.BlobURL()), forward(storage, storage.TableURL())
	at := func(blobs, tables http.Handler) string { return accountAt(w.serve(blobs), w.serve(tables)) }
	w.around = at(blobs, tables)
	w.storage = at(w.plan.Before("blob", blobCall, blobs), w.plan.Before("table", tableCall, tables))
}

// serve returns the address at which a handler is served.
func (w *world) serve(h http.Handler) string {
	w.t.Helper()
	at, err := w.servers.Serve(h)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

func (w *world) startSite() string {
	w.t.Helper()
	w.site = telemessagetest.New(telemessagetest.Options{Username: "chaos", Password: "chaos",
		PageLimit: w.day.pageLimit})
	for _, it := range w.day.items {
		w.site.Add(it.archived, it.raw)
	}
	mux := http.NewServeMux()
	mux.Handle("/", w.site)
	for _, c := range w.day.contents {
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
	return w.serve(w.plan.Before("site", siteCall, mux))
}

// app starts one instance of a function app.
func (w *world) app(name string) *host.StandIn {
	w.t.Helper()
	out, err := staged()
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := host.Start(w.t.Context(),
		host.Options{App: filepath.Join(out, name), Env: w.env, Log: w.log, Pause: 200 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = h.Stop() })
	return h
}

// startApps starts one instance of each.
func (w *world) startApps() {
	w.t.Helper()
	w.fetch, w.imports = w.app("fetch"), w.app("import")
}

func (w *world) summary(ctx context.Context) *report.Summary {
	w.t.Helper()
	s, err := report.ReadSummary(ctx, w.store)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) batches(ctx context.Context) (all []archive.BatchInfo) {
	w.t.Helper()
	for b, err := range w.store.Batches().All(ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// logged keeps what was logged, for the test that fails.
type logged struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	file *os.File // gets it too, if it is not nil
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_, _ = l.file.Write(p) // only to be looked at
	}
	return l.buf.Write(p)
}

// follow has everything written to a file beside the staged apps too. name may be that of a subtest.
func (w *world) follow(name string) {
	w.t.Helper()
	out, err := staged()
	if err != nil {
		w.t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(out, strings.ReplaceAll(name, "/", "-")+".log"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = file.Close() })
	w.t.Logf("the log is in %s", file.Name())
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.file = file
}

// count is how many lines have the text.
func (l *logged) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// last is the last line that has the text; "" if there is none.
func (l *logged) last(text string) (line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for one := range strings.Lines(l.buf.String()) {
		if strings.Contains(one, text) {
			line = one
		}
	}
	return line
}

// problems are the lines that say that something went wrong.
func (l *logged) problems() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, `"WARN"`) || strings.Contains(line, `"ERROR"`) || strings.HasPrefix(line, "host:") &&
			!strings.Contains(line, "succeeded") {
			all = append(all, line)
		}
	}
	return strings.Join(all[max(0, len(all)-25):], "")
}

// together runs the cases several at a time: most of their time they wait.
func together(t *testing.T, atOnce, n int, run func(i int)) {
	t.Helper()
	places := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			run(i)
		})
	}
	group.Wait()
}

func TestMain(m *testing.M) {
	var err error
	if form, err = soak.Read(os.LookupEnv, time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	fmt.Printf("%s=%d, %d processors\n", soak.SeedVariable, form.Seed, runtime.NumCPU())
	os.Exit(m.Run())
}

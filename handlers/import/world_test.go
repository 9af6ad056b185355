package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/tally"
)

// The emulator gets many accounts, and each world on it one of its own: the names of the mapping, of sweep's state and
// of the ledger are fixed, and sweep looks at all there is.
const (
	accounts   = 100
	accountKey = "a2V5"
)

func TestMain(m *testing.M) {
	if os.Getenv(asHandler) != "" {
		runAsHandler()
	}
	list := azurite.Account + ":" + azurite.Key + ";"
	for i := range accounts {
		list += accountName(i) + ":" + accountKey + ";"
	}
	if err := os.Setenv("AZURITE_ACCOUNTS", list); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func accountName(i int) string { return fmt.Sprintf("world%04d", i) }

// worlds counts: no two have the same account.
var worlds atomic.Int64

// world is a tenant and a storage account, with any number of importers between them. The account is a stand-in, or one
// of Azurite where a process has to reach it.
type world struct {
	t *testing.T

	storage    *archivetest.Storage // nil: Azurite
	connection string               // of the storage

	graph   *mailboxtest.Graph
	address string            // of Graph
	toGraph http.RoundTripper // the way to it: see way for that to the storage
	store   *archive.Store
	ledger  *ledger.Ledger
	folder  string // of the run whose batches put writes
	batches []string
	log     *archivetest.Lines

	mu      sync.Mutex
	secrets map[string]bool // what no log line and no answer may hold
	said    strings.Builder // answers
}

func newWorld(t *testing.T, edit ...func(*mailboxtest.Options)) *world {
	t.Helper()
	storage := archivetest.ForTest(t, nil)
	return makeWorld(t, storage, storage.ConnectionString(), edit)
}

// newWorldOnAzurite is newWorld with storage that other processes can reach.
func newWorldOnAzurite(t *testing.T, edit ...func(*mailboxtest.Options)) *world {
	t.Helper()
	own := strings.NewReplacer(azurite.Account, accountName(int(worlds.Add(1))%accounts), azurite.Key, accountKey)
	return makeWorld(t, nil, own.Replace(azurite.ForTest(t).ConnectionString()), edit)
}

func makeWorld(t *testing.T, storage *archivetest.Storage, connection string,
	edit []func(*mailboxtest.Options)) *world {
	t.Helper()
	o := mailboxtest.Options{Users: tenant()}
	for _, e := range edit {
		e(&o)
	}
	w := &world{
		t: t, storage: storage, connection: connection, graph: mailboxtest.New(o), log: &archivetest.Lines{},
		folder: time.Now().UTC().Format("2006/01/02") + "/run", secrets: map[string]bool{},
	}
	w.serveGraph()
	w.secret(strings.TrimPrefix(w.address, "http://"), "authtoken", azurite.Key, archivetest.Key)
	for _, u := range o.Users {
		w.secret(u.ID, u.UPN, u.Mail)
		w.secret(u.Proxy...)
	}
	w.store, w.ledger = w.openStore(w.way()), w.openLedger(w.way())
	ctx := context.Background()
	if err := w.store.CreateContainers(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.ledger.CreateTable(ctx), w.openTotals(w.way()).CreateTable(ctx)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.checkSecrets)
	return w
}

// serveGraph makes the tenant reachable: without a socket, unless other processes have to reach it.
func (w *world) serveGraph() {
	if w.storage != nil {
		way, stop := pipetest.Serve(w.graph)
		w.t.Cleanup(stop)
		w.address, w.toGraph = "http://127.0.0.1:8086", way // the settings accept http on loopback only
		return
	}
	server := httptest.NewServer(w.graph)
	w.t.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 64} // so that no test finds another's connections
	w.t.Cleanup(transport.CloseIdleConnections)
	w.address, w.toGraph = server.URL, transport
}

// way is the direct one to the storage.
func (w *world) way() http.RoundTripper {
	if w.storage == nil {
		return http.DefaultTransport
	}
	return w.storage
}

func (w *world) openStore(way http.RoundTripper) *archive.Store {
	w.t.Helper()
	s, err := archive.Open(archive.Config{ConnectionString: w.connection, HTTP: &http.Client{Transport: way}})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) openLedger(way http.RoundTripper) *ledger.Ledger {
	w.t.Helper()
	l, err := ledger.Open(ledger.Config{ConnectionString: w.connection, HTTP: &http.Client{Transport: way}})
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) openTotals(way http.RoundTripper) *tally.Table {
	w.t.Helper()
	t, err := tally.Open(tally.Config{ConnectionString: w.connection, HTTP: &http.Client{Transport: way}})
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// secret notes what must stay out of logs and answers.
func (w *world) secret(texts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range texts {
		if len(text) >= 6 { // shorter ones are there by chance
			w.secrets[text] = true
		}
	}
}

func (w *world) checkSecrets() {
	for _, u := range w.graph.Users() {
		for _, m := range w.graph.Messages(u.ID) {
			w.secret(m.ID, m.Subject, m.InternetMessageID)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.log.String() + w.said.String()
	for text := range w.secrets {
		if strings.Contains(all, text) {
			w.t.Errorf("a log line or an answer holds %q", text)
		}
	}
	if w.t.Failed() && testing.Verbose() {
		w.t.Logf("log:\n%s", w.log.String())
	}
}

// app is one importer, as the host has started it.
type app struct {
	w       *world
	config  config
	clients clients
	engines *engines
	server  *funchost.Server
	now     func() time.Time
}

// start is what a test changes about an importer.
type start struct {
	settings  map[string]string
	rule      func(*http.Request) archivetest.Fault     // of the way to the storage, which is no Azurite
	transport http.RoundTripper                         // to Graph; nil: the direct one
	around    func(http.RoundTripper) http.RoundTripper // wraps the way to the blob service; nil: rule alone
	ledger    *ledger.Ledger                            // nil: the account's
	bounds    bounds
	deadline  time.Duration
	now       func() time.Time
}

func set(name, value string) func(*start) {
	return func(s *start) { s.settings[name] = value }
}

// through has the importer ask the blob service on a way of the test's.
func through(way http.RoundTripper) func(*start) {
	return func(s *start) { s.around = func(http.RoundTripper) http.RoundTripper { return way } }
}

// lookUpWait bounds the questions to the directory.
func lookUpWait(d time.Duration) func(*start) { return func(s *start) { s.bounds.lookUp = d } }

// sweepTimes changes the bounds of sweeps.
func sweepTimes(edit func(*sweeper.Times)) func(*start) {
	return func(s *start) {
		s.bounds.sweep = sweeper.DefaultTimes()
		edit(&s.bounds.sweep)
	}
}

// doubt makes claims get old sooner.
func doubt(d time.Duration) func(*start) { return set("IN_DOUBT_AFTER", d.String()) }

func (w *world) start(edit ...func(*start)) *app {
	w.t.Helper()
	s := start{deadline: 9 * time.Minute, now: time.Now, settings: map[string]string{
		"GRAPH_URL": w.address, "ARCHIVE_STORAGE": w.connection, "SWEEP_AFTER": "0s",
	}}
	for _, e := range edit {
		e(&s)
	}
	if s.transport == nil {
		s.transport = w.toGraph
	}
	c, err := readConfig(settingsOf(s.settings))
	if err != nil {
		w.t.Fatal(err)
	}
	cl, err := c.connect(s.transport, s.now)
	if err != nil {
		w.t.Fatal(err)
	}
	way := w.way()
	if s.rule != nil {
		way = w.storage.ThroughConcurrently(s.rule)
	}
	cl.use(w.openStore(way))
	cl.ledger, cl.totals = w.openLedger(way), w.openTotals(way)
	if s.around != nil {
		cl.use(w.openStore(s.around(way)))
	}
	if s.ledger != nil {
		cl.ledger = s.ledger
	}
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	c.log = log
	e := c.build(cl, s.bounds, s.now)
	return &app{w: w, config: c, clients: cl, engines: e, server: funchost.New(log, s.deadline, routes(e, nil)),
		now: s.now}
}

// retime sets the bounds of the app's next sweeps. The importer stays, with all that it has cached.
func (a *app) retime(times sweeper.Times) {
	totals := a.config.newTallier(a.clients, a.now)
	a.engines.useSweeper(a.clients, sweeper.New(sweeper.Options{
		Batches: a.clients.batches, Logs: a.clients.logs, Sweeps: a.clients.sweeps, After: a.config.sweepAfter,
		Totals: totals, Times: times, Now: a.now,
	}, a.engines.importer), totals, a.now)
}

// reply is what the host hears. Its value is dropped by the host where the status says failure.
type reply struct {
	status int
	value  string
}

// result reads the answer's value.
func (a reply) result(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.value), v); err != nil || a.status != http.StatusOK {
		t.Fatalf("status %d, %s", a.status, a.value)
	}
}

var invocations atomic.Int64

func (a *app) invoke(ctx context.Context, function string, metadata map[string]string) reply {
	twice := map[string]string{} // Functions host 4.1045: strings in Metadata are encoded twice
	for name, value := range metadata {
		inner, _ := json.Marshal(value)
		twice[name] = string(inner)
	}
	body, err := json.Marshal(map[string]any{"Data": map[string]any{}, "Metadata": twice})
	if err != nil {
		a.w.t.Error(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/"+function, bytes.NewReader(body))
	r.Header.Set("X-Azure-Functions-InvocationId", fmt.Sprintf("invocation-%d", invocations.Add(1)))
	heard := httptest.NewRecorder()
	a.server.ServeHTTP(heard, r)
	var said struct{ ReturnValue json.RawMessage }
	if err := json.Unmarshal(heard.Body.Bytes(), &said); err != nil {
		a.w.t.Errorf("the answer is no JSON object: %v", err)
	}
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	a.w.said.Write(heard.Body.Bytes())
	return reply{heard.Code, string(said.ReturnValue)}
}

// event delivers the batch's BlobCreated.
func (a *app) event(ctx context.Context, batch string) reply {
	return a.invoke(ctx, "import", map[string]string{"Uri": a.engines.batches.URI(batch)})
}

// deliver expects the event to end in success.
func (a *app) deliver(batch string) importer.Result {
	a.w.t.Helper()
	var res importer.Result
	a.event(a.w.t.Context(), batch).result(a.w.t, &res)
	return res
}

// sweep runs it; input is what an administrator sends along.
func (a *app) sweep(input string) reply {
	return a.invoke(a.w.t.Context(), "sweep", map[string]string{"timer": input})
}

// swept expects it to end in success.
func (a *app) swept(input string) (res sweeper.Result) {
	a.w.t.Helper()
	a.sweep(input).result(a.w.t, &res)
	return res
}

package sources

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/azurite"
	"o2archiver/local/vault"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/status"
)

const (
	zipName = "202611280000-TeleMessage_1_20261128050012.zip"
	hidden  = "d4s-ist-geheim"
)

// desk is an SFTP server with one ZIP, the archive, and the log of fetch.
type desk struct {
	*fetchtest.World
	server   *deliverytest.Server
	settings settings.Delivery
	services Services
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{World: fetchtest.NewWorld(t), server: deliverytest.New(deliverytest.Options{
		User: "o2", Password: hidden, Methods: []string{"password"}})}
	d.Secret(hidden, "TeleMessage_", "7700900", "contoso", "confidential")
	t.Cleanup(d.server.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go d.server.Serve(l)
	d.server.Put(zipName, deliverytest.File{Data: fetchtest.MakeZIP("", 3), ModTime: time.Now().Add(-time.Hour)})
	d.settings = settings.Delivery{StableAfter: 10 * time.Minute, SFTP: &settings.SFTP{Host: l.Addr().String(),
		Username: "o2", Password: settings.StoredSecret{Value: settings.NewSecret(hidden)}}}
	d.services = servicesOf(d.Store)
	return d
}

func servicesOf(store *archive.Store) Services {
	return Services{Store: store, Now: time.Now, Pause: control.NewPause(control.PauseOptions{
		App: settings.Fetch, Connector: readerOf(store)}),
		Status: status.NewWriter(status.Options{Documents: store.Status(), Batches: store.Batches(),
			Source: settings.Deliveries, Now: time.Now})}
}

func readerOf(store *archive.Store) *control.ConnectorReader {
	return control.NewConnectorReader(control.ReaderOptions{Settings: store.Settings(), Now: time.Now})
}

func (d *desk) source() *Source {
	d.T.Helper()
	s, err := FromDeliveries(d.settings, d.services)
	if err != nil {
		d.T.Fatal(err)
	}
	return s
}

func (d *desk) fetch() (deliveries.Result, error) {
	d.T.Helper()
	res, err := d.source().Fetch(d.T.Context(), "0b1c", "", slog.New(slog.NewJSONHandler(d.Log, nil)))
	if err != nil {
		d.NoteError(err)
	}
	return res.(deliveries.Result), err
}

func (d *desk) progress() status.Progress {
	d.T.Helper()
	p, err := status.NewReader(d.Store.Status()).Progress(d.T.Context())
	if err != nil {
		d.T.Fatal(err)
	}
	return p
}

// link returns what a check says about one link, and what helps.
func link(t *testing.T, links func() []commands.Check, name string) control.Link {
	t.Helper()
	for _, l := range links() {
		if l.Link == name {
			return control.TryLink(t.Context(), l.Link, time.Minute, l.Try, l.Do)
		}
	}
	t.Fatalf("there is no link %s", name)
	return control.Link{}
}

// The story of a first connection: nothing is pinned, the check shows the key, and once it is pinned, ZIPs are read.
func TestFirstConnection(t *testing.T) {
	d := newDesk(t)
	if _, err := d.fetch(); funchost.Status(err) != 500 || !strings.Contains(d.Log.String(), "fetch.hostKeyRefused") {
		t.Errorf("without a pinned key: %v", err)
	}
	l := link(t, d.source().Links, "server")
	_, pin, shown := strings.Cut(l.Do, "DELIVERY_SFTP_HOST_KEYS to: ")
	if l.State != control.LinkFailed || !shown ||
		!strings.Contains(l.Says, "the server showed the host key ssh-ed25519 SHA256:") {
		t.Fatalf("the check: %+v", l)
	}
	if d.server.Counts().SignIns != 0 {
		t.Error("a server without a pinned key was sent credentials")
	}
	d.settings.SFTP.HostKeys = pin
	if l := link(t, d.source().Links, "server"); l.State != control.LinkOK ||
		!strings.Contains(l.Says, "1 ZIPs are listed; the smallest was read, its directory has 4 entries") ||
		!strings.Contains(l.Says, "SHA256:") {
		t.Errorf("the check: %+v", l)
	}
	d.server.Put("renamed.zip", deliverytest.File{Data: fetchtest.MakeZIP("", 1),
		ModTime: time.Now().Add(-time.Hour)})
	if l := link(t, d.source().Links, "server"); !strings.Contains(l.Says, "1 files have other names") {
		t.Errorf("with a file of another name: %+v", l)
	}
	if l := link(t, d.source().Links, "storage"); l.State != control.LinkOK {
		t.Errorf("the check: %+v", l)
	}
	if res, err := d.fetch(); err != nil || res.Read != 1 || res.Received != 3 || res.Listed.Others != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	for _, event := range []string{"fetch.deliveriesListed", "fetch.deliveriesUnlisted"} { // and without a pinned key
		named := `"server":"` + d.settings.SFTP.Host + `","event":"` + event + `"`
		if !strings.Contains(d.Log.String(), named) {
			t.Errorf("%s does not name the server", event)
		}
	}
	if p := d.progress(); p.Finished != 1 || p.Source != settings.Deliveries || p.Invocation != "0b1c" ||
		p.Ended.IsZero() || p.Failed != "" {
		t.Errorf("progress: %+v", p)
	}
	d.CheckRuns(1)
	if res, err := d.fetch(); err != nil || res.Read != 0 || res.Open != 0 {
		t.Errorf("the second run: %+v, %v", res, err)
	}
	d.settings.SFTP.HostKeys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=="
	if _, err := FromDeliveries(d.settings, d.services); err == nil ||
		!strings.Contains(err.Error(), "DELIVERY_SFTP_HOST_KEYS") {
		t.Errorf("a pinned key that is none: %v", err)
	}
}

// pinned pins the server's key.
func (d *desk) pinned() *desk {
	d.T.Helper()
	_, d.settings.SFTP.HostKeys, _ = strings.Cut(link(d.T, d.source().Links, "server").Do, "HOST_KEYS to: ")
	return d
}

// A refused password is tried once in a run; the host, which would retry a failure, is told of a success.
func TestRefusedByTheServer(t *testing.T) {
	d := newDesk(t).pinned()
	d.settings.SFTP.Password.Value = settings.NewSecret("wrong")
	res, err := d.fetch()
	if err != nil || !res.Refused || d.server.Counts().SignIns != 1 ||
		!d.Log.Has(slog.LevelError, `"event":"fetch.credentialsRefused"`) {
		t.Errorf("%+v, %v after %d sign-ins", res, err, d.server.Counts().SignIns)
	}
	if p := d.progress(); p.Failed != errRefused.Error() || p.Ended.IsZero() {
		t.Errorf("progress: %+v", p)
	}
	p, err := d.source().Intake.RunDue(t.Context(), "c", slog.New(slog.DiscardHandler))
	if err != nil || !strings.HasPrefix(p.Refused, "the SFTP server refuses the user name") {
		t.Errorf("a command: %+v, %v", p, err)
	}
	l := link(t, d.source().Links, "server")
	if l.State != control.LinkFailed || !strings.Contains(l.Do, "DELIVERY_SFTP_USERNAME") {
		t.Errorf("the check: %+v", l)
	}
}

// The password in the vault is read by each run. A vault that is away makes the host retry, one that refuses does not.
func TestServerPasswordInVault(t *testing.T) {
	d := newDesk(t).pinned()
	secrets := vault.New(map[string]int{"local": vault.MayRead}, nil)
	toVault, stop := pipetest.Serve(secrets)
	t.Cleanup(stop)
	d.services.HTTP = toVault
	d.settings.SFTP.Password = settings.StoredSecret{Address: parse(t, "https://localhost:8443/secrets/sftp-password")}
	l := link(t, d.source().Links, "server")
	if v := link(t, d.source().Links, "vault"); v.State != control.LinkFailed || l.State != control.LinkUnknown ||
		!strings.Contains(v.Do, "DELIVERY_SFTP_PASSWORD_SECRET") {
		t.Errorf("without the secret: %+v, %+v", v, l)
	}
	if _, err := d.fetch(); funchost.Status(err) != 500 ||
		!strings.Contains(err.Error(), "the secret of the SFTP password") ||
		!d.Log.Has(slog.LevelError, `"event":"fetch.passwordUnreadable"`) {
		t.Errorf("without the secret: %v", err)
	}
	if d.server.Counts().SignIns != 0 {
		t.Error("the server was called without a password")
	}
	secrets.Put("sftp-password", hidden, vault.Attributes{})
	if res, err := d.fetch(); err != nil || res.Read != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	before := secrets.Reads()
	for _, l := range d.source().Links() {
		if _, err := l.Try(t.Context()); err != nil {
			t.Errorf("%s: %v", l.Link, err)
		}
	}
	if got := secrets.Reads() - before; got != 1 {
		t.Errorf("the vault was read %d times by one check", got)
	}
}

// What lies before DELIVERY_FROM is read for a command, day by day, and once.
func TestDaysBeforeTheFirst(t *testing.T) {
	d := newDesk(t).pinned()
	d.settings.From = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	if res, err := d.fetch(); err != nil || res.Read != 0 || res.Listed.Ignored != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	day := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		from, to time.Time
		done     int
	}{
		{"the day before", day.Add(-24 * time.Hour), day, 0},
		{"the day", day.Add(5 * time.Hour), day.Add(6 * time.Hour), 1},
		{"the day again", day, day.Add(24 * time.Hour), 0},
	} {
		p, err := d.source().Intake.Backfill(t.Context(), "c", schedule.Range{From: tt.from, To: tt.to},
			slog.New(slog.DiscardHandler))
		if err != nil || p.Done != tt.done || p.Left {
			t.Errorf("%s: %+v, %v", tt.name, p, err)
		}
	}
}

// The landing container is read like a server.
func TestLandingContainer(t *testing.T) {
	w := fetchtest.NewWorldOnAzurite(t)
	w.Secret("TeleMessage_", "7700900", "contoso", "confidential")
	connection := azurite.ForTest(t).ConnectionString()
	source, err := FromDeliveries(settings.Delivery{Folder: "o2", Landing: &settings.Landing{
		ConnectionString: settings.NewSecret(connection)}}, servicesOf(w.Store))
	if err != nil {
		t.Fatal(err)
	}
	if l := link(t, source.Links, "landing"); l.State != control.LinkFailed ||
		!strings.HasPrefix(l.Do, "create the container landing") {
		t.Errorf("without the container: %+v", l)
	}
	landing, err := archive.OpenLanding(archive.Config{ConnectionString: connection}, "o2", nil)
	if err == nil {
		err = landing.CreateContainer(t.Context())
	}
	if err == nil {
		err = landing.Put(t.Context(), zipName, bytes.NewReader(fetchtest.MakeZIP("", 2)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if l := link(t, source.Links, "landing"); l.State != control.LinkOK ||
		!strings.Contains(l.Says, "its directory has 3 entries") {
		t.Errorf("the check: %+v", l)
	}
	// It needs no secret, so nothing but the set-up keeps it from being read.
	connector := readerOf(w.Store)
	c := NewCurrent(CurrentOptions{Name: settings.Deliveries, Lookup: func(name string) (string, bool) {
		v, ok := map[string]string{"DELIVERY_LANDING": connection, "DELIVERY_FOLDER": "o2",
			"DELIVERY_STABLE_AFTER": "0s"}[name]
		return v, ok
	}, Connector: connector, AwaitSetUp: true, Services: servicesOf(w.Store)})
	for _, document := range []string{"", `{"v":1,"unfinished":true}`,
		`{"v":1,"paused":{"fetch":false},` + finished + `}`} {
		if document != "" {
			_, err := w.Store.Settings().Put(t.Context(), "connector.json", json.RawMessage(document), "*", nil)
			if err := errors.Join(err, connector.Expire(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		res, err := c.Fetch(t.Context(), "", "", slog.New(slog.NewJSONHandler(w.Log, nil)))
		got, read := res.(deliveries.Result)
		if ended := strings.Contains(document, finished); err != nil || read != ended || read && got.Received != 2 {
			t.Errorf("%s: %+v, %v", document, res, err)
		}
	}
}

// An estimate lists the ZIPs that are named for the days, and reads none of them.
func TestEstimateOfDeliveries(t *testing.T) {
	d := newDesk(t).pinned()
	d.server.Put("renamed.zip", deliverytest.File{Data: fetchtest.MakeZIP("", 1), ModTime: time.Now()})
	name, ok := delivery.ParseName(zipName)
	if !ok {
		t.Fatal("the name of the ZIP is none")
	}
	for _, tt := range []struct {
		from, to time.Time
		zips     int64
	}{{name.Day, name.Day.Add(24 * time.Hour), 1}, {name.Day.Add(24 * time.Hour), name.Day.Add(48 * time.Hour), 0}} {
		var got map[string]int64
		p, err := d.source().Intake.Estimate(t.Context(), schedule.Range{From: tt.from, To: tt.to}, 0,
			func(counts map[string]int64) error { got = counts; return nil }, slog.New(slog.DiscardHandler))
		if err != nil || p.Refused != "" || got[control.CountZIPs] != tt.zips ||
			(got[control.CountBytes] > 0) != (tt.zips > 0) {
			t.Errorf("%v: %+v, %+v, %v", tt.from, got, p, err)
		}
	}
	d.settings.SFTP.Password.Value = settings.NewSecret("wrong")
	p, err := d.source().Intake.Estimate(t.Context(), schedule.Range{From: name.Day, To: time.Now()}, 0, nil,
		slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(p.Refused, "the SFTP server refuses") {
		t.Errorf("a wrong password: %+v, %v", p, err)
	}
}

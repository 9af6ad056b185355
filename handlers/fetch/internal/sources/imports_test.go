package sources

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/sftpserver"
	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/record"
	"o2archiver/shared/settings"
	"o2archiver/shared/source"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/delivery/sftpstore"
	"o2archiver/shared/status"
)

// anExport returns a ZIP with one message of another archive.
func anExport() []byte {
	return deliverytest.ZIP(zip.Deflate, [2]string{"a.eml", "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\n" +
		"From: jane@contoso.com\r\nTo: ali@contoso.com\r\nMessage-ID: <1@contoso.com>\r\n" +
		"X-Number: 07700 900123\r\n\r\nconfidential text"})
}

// entriesOf returns the lines of the batches that are of a source, "" of the vendor.
func entriesOf(t *testing.T, store *archive.Store, of string) (all []record.Entry) {
	t.Helper()
	for b, err := range store.Batches().All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := store.Batches().Read(t.Context(), b.Name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			var e record.Entry
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			if e.Source == of {
				all = append(all, e)
			}
		}
	}
	return all
}

// generic returns the records of the batches that are of another archive.
func generic(t *testing.T, store *archive.Store) (all []*record.Record) {
	t.Helper()
	for _, e := range entriesOf(t, store, record.GenericEML) {
		r, err := source.Parse(e)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// The folder imports is read after what the vendor delivers, on the same server, with its settings.
func TestImportsOnAServer(t *testing.T) {
	d := newDesk(t).pinned()
	d.settings.Domains = []string{"fabrikam.example"}
	d.settings.Imports = settings.Imports{Kind: "MMS", Network: "Contoso Mobile", NumberHeader: "X-Number"}
	res, err := d.fetch()
	if err != nil || res.Read != 1 || res.Imports == nil || res.Imports.Listed != (deliveries.Listed{}) ||
		d.Log.Has(slog.LevelWarn, "") {
		t.Fatalf("without the folder: %+v, %v\n%s", res, err, d.Log)
	}
	d.server.Put("imports/export.zip", deliverytest.File{Data: anExport(), ModTime: time.Now().Add(-time.Hour)})
	d.server.Put("imports/export 2.zip.filepart", deliverytest.File{Data: []byte("x"), ModTime: time.Now()})
	if l := link(t, d.source().Links, "server"); !strings.HasSuffix(l.Says, "; the folder imports has 1 ZIPs") {
		t.Errorf("the check: %+v", l)
	}
	res, err = d.fetch()
	if err != nil || res.Read != 0 || res.Imports.Read != 1 || res.Imports.Received != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	// What is no ZIP, or no file, is counted and not read.
	d.server.Put("imports/export.7z", deliverytest.File{Data: []byte("x"), ModTime: time.Now()})
	d.server.Put("imports/a.eml", deliverytest.File{Data: []byte("x"), ModTime: time.Now()})
	d.server.Put("imports/2019/export.zip", deliverytest.File{Data: anExport(), ModTime: time.Now()})
	d.server.Put("imports/link.zip", deliverytest.File{Mode: fs.ModeSymlink})
	d.server.Put("2019/"+zipName, deliverytest.File{Data: []byte("x"), ModTime: time.Now()})
	d.server.Put(".ssh/known_hosts", deliverytest.File{Data: []byte("x"), ModTime: time.Now()})
	const notRead = "; 1 folders or links are not read; the folder imports has 1 ZIPs; " +
		"2 files in the folder imports are no ZIPs and are not read; " +
		"2 folders or links in the folder imports are not read"
	if l := link(t, d.source().Links, "server"); !strings.HasSuffix(l.Says, notRead) {
		t.Errorf("the check: %+v", l)
	}
	res, err = d.fetch()
	if err != nil || res.Listed.NotFiles != 1 || res.Imports.Listed.NotFiles != 2 || res.Imports.Listed.Others != 2 {
		t.Fatalf("%+v, %+v, %v", res, res.Imports, err)
	}
	all := generic(t, d.Store)
	if len(all) != 1 || all[0].Kind != record.MMS || all[0].Network != "Contoso Mobile" ||
		all[0].Owner != "07700 900123" || all[0].ID != "1@contoso.com" || len(all[0].From.Emails) != 1 {
		t.Errorf("%+v", all)
	}
	for _, e := range entriesOf(t, d.Store, "") {
		if diff := cmp.Diff([]string{"fabrikam.example"}, e.Mail.Domains); diff != "" {
			t.Errorf("domains of the vendor's (-want +got):\n%s", diff)
		}
	}
	d.server.Put("imports/export 3.zip", deliverytest.File{Data: anExport(), ModTime: time.Now().Add(-time.Hour)})
	p, err := d.source().Intake.RunDue(t.Context(), "c", slog.New(slog.DiscardHandler))
	if err != nil || p.Done != 1 || p.Left || !strings.HasPrefix(p.Says, "what was delivered is read: 0 ZIPs now") ||
		!strings.HasSuffix(p.Says, "; 3 folders or links are not read") {
		t.Errorf("a command for a ZIP with the same bytes: %+v, %v", p, err)
	}
}

// A folder without a file system below it is no empty folder: neither it nor the folder imports is listed.
func TestImportsWithoutTheFolderAround(t *testing.T) {
	d := newDesk(t).pinned()
	d.settings.Folder = "elsewhere"
	res, err := d.fetch()
	if err == nil || res.Imports == nil || strings.Count(err.Error(), "has no such file or folder") != 2 ||
		d.Log.Count("fetch.deliveriesUnlisted") != 2 {
		t.Errorf("%+v, %v", res, err)
	}
}

// A ZIP that cannot be read in one of the two folders does not keep the other. What the vendor delivers comes first.
func TestImportsBesideDeliveries(t *testing.T) {
	for _, broken := range []string{zipName, "imports/export.zip"} {
		d := newDesk(t).pinned()
		files := map[string][]byte{zipName: fetchtest.MakeZIP("", 3), "imports/export.zip": anExport()}
		for name, data := range files {
			d.server.Put(name, deliverytest.File{Data: data, ModTime: time.Now().Add(-time.Hour),
				Denied: name == broken})
		}
		res, err := d.fetch()
		if err == nil || res.Read+res.Imports.Read != 1 || (res.Read == 1) != (broken != zipName) {
			t.Errorf("%+v, %v", res, err)
		}
		first := strings.Index(d.Log.String(), `"intake":"deliveries"`)
		if second := strings.Index(d.Log.String(), `"intake":"imports"`); first < 0 || second < first {
			t.Errorf("the folder imports came first:\n%s", d.Log)
		}
	}
}

// A run whose time is over, or that the server refuses, does not begin with the folder imports.
func TestImportsAreLeftToALaterRun(t *testing.T) {
	d := newDesk(t).pinned()
	d.server.Put("imports/export.zip", deliverytest.File{Data: anExport(), ModTime: time.Now().Add(-time.Hour)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	res, err := d.source().Fetch(ctx, "", "", slog.New(slog.NewJSONHandler(d.Log, nil)))
	if got := res.(deliveries.Result); err == nil || got.Imports != nil {
		t.Errorf("without time: %+v, %v", got, err)
	}
	password := d.settings.SFTP.Password
	d.settings.SFTP.Password.Value = settings.NewSecret("wrong")
	if res, err := d.fetch(); err != nil || !res.Refused || res.Imports != nil || d.server.Counts().SignIns != 1 {
		t.Errorf("refused: %+v, %v after %d sign-ins", res, err, d.server.Counts().SignIns)
	}
	d.settings.SFTP.Password = password
	if res, err := d.fetch(); err != nil || res.Read != 1 || res.Imports.Read != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// In a landing container the folder imports is a folder like any other.
func TestImportsInALandingContainer(t *testing.T) {
	w := fetchtest.NewWorldOnAzurite(t)
	w.Secret("export", "7700900", "contoso", "confidential")
	connection := azurite.ForTest(t).ConnectionString()
	for _, folder := range []string{"", "o2 imports"} {
		landing, err := archive.OpenLanding(archive.Config{ConnectionString: connection}, folder+"/imports", nil)
		if err == nil {
			err = landing.CreateContainer(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := FromDeliveries(settings.Delivery{Folder: folder, Landing: &settings.Landing{
			ConnectionString: settings.NewSecret(connection)}}, servicesOf(w.Store))
		if err != nil {
			t.Fatal(err)
		}
		fetch := func(want int) {
			t.Helper()
			res, err := s.Fetch(t.Context(), "", "", slog.New(slog.NewJSONHandler(w.Log, nil)))
			if got := res.(deliveries.Result); err != nil || got.Imports.Read+got.Imports.Same != want {
				t.Errorf("folder %q: %+v, %v, want %d ZIPs", folder, got, err, want)
			}
		}
		fetch(0)
		name := folder + ".export.zip" // times have whole seconds: another file of that name would be the same
		if err := landing.Put(t.Context(), strings.TrimPrefix(name, "."), bytes.NewReader(anExport())); err != nil {
			t.Fatal(err)
		}
		fetch(1)
	}
	if all := generic(t, w.Store); len(all) != 1 || all[0].Kind != record.Message {
		t.Errorf("%+v", all)
	}
}

// A folder imports that the user may not list is a fault of its own, with words of its own.
func TestImportsThatCannotBeListed(t *testing.T) {
	d := newDesk(t).pinned()
	d.server.Put("imports", deliverytest.File{Mode: fs.ModeDir, Denied: true})
	l := link(t, d.source().Links, "server")
	if l.State != control.LinkFailed || !strings.HasPrefix(l.Do, "make an empty folder imports") {
		t.Errorf("the check: %+v", l)
	}
	if res, err := d.fetch(); err == nil || res.Read != 1 || res.Imports.Read != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// firstHangs is a pause that answers its first question at the end of the context only.
type firstHangs struct{ asked int }

func (f *firstHangs) Paused(ctx context.Context) (bool, error) {
	if f.asked++; f.asked > 1 {
		return false, nil
	}
	<-ctx.Done()
	return false, context.Cause(ctx)
}

// Deliveries that take all the time there is leave a quarter of a run to the folder imports.
func TestDeliveriesLeaveTimeForImports(t *testing.T) {
	fetchtest.Virtual(t, func(t *testing.T) {
		w := fetchtest.NewWorld(t)
		server := deliverytest.New(deliverytest.Options{User: "o2", Password: hidden, Methods: []string{"password"}})
		defer server.Close()
		server.Put(zipName, deliverytest.File{Data: fetchtest.MakeZIP("", 3), ModTime: time.Now().Add(-time.Hour)})
		server.Put("imports/export.zip", deliverytest.File{Data: anExport(), ModTime: time.Now().Add(-time.Hour)})
		runs := onServer(t, server, w.Store)
		runs.options.Pause = &firstHangs{}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Minute)
		defer cancel()
		res, err := runs.Run(ctx, slog.New(slog.NewJSONHandler(w.Log, nil)))
		if res.Imports == nil || res.Imports.Read != 1 || res.Read != 0 || funchost.Status(err) != 503 {
			t.Errorf("%+v, imports %+v, %v", res, res.Imports, err)
		}
	})
}

// The deliveries come first in each run, and leave the folder imports its own repair: a ZIP of either that was not read
// has a document after the next run of another process, although the one that it had was lost.
func TestRepairOfBothFolders(t *testing.T) {
	fetchtest.Virtual(t, func(t *testing.T) {
		w := fetchtest.NewWorld(t)
		server := deliverytest.New(deliverytest.Options{User: "o2", Password: hidden, Methods: []string{"password"}})
		defer server.Close()
		again := strings.Replace(zipName, "_1_", "_2_", 1)
		for name, data := range map[string][]byte{zipName: fetchtest.MakeZIP("", 3), again: fetchtest.MakeZIP("", 3),
			"imports/a.zip": anExport(), "imports/b.zip": anExport()} {
			server.Put(name, deliverytest.File{Data: data, ModTime: time.Now().Add(-time.Hour)})
		}
		fetch := func() (same []string) {
			t.Helper()
			runs := onServer(t, server, w.Store)
			if res, err := runs.Run(t.Context(), slog.New(slog.NewJSONHandler(w.Log, nil))); err != nil {
				t.Fatalf("%+v, %v", res, err)
			}
			all, _, err := status.NewReader(w.Store.Status()).Runs(t.Context(), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				if r.Outcome == status.OutcomeSame {
					same = append(same, r.Run)
				}
			}
			return same
		}
		want := fetch()
		if len(want) != 2 {
			t.Fatalf("documents of %v, want two", want)
		}
		for _, run := range want {
			w.Storage.Forget("status", "runs/"+run+".json")
		}
		if diff := cmp.Diff(want, fetch()); diff != "" {
			t.Errorf("documents of ZIPs that were not read (-want +got):\n%s", diff)
		}
	})
}

// onServer returns the runs of a process that knows the server's host key.
func onServer(t *testing.T, server *deliverytest.Server, store *archive.Store) *deliveryRuns {
	t.Helper()
	c := settings.Delivery{StableAfter: 10 * time.Minute, SFTP: &settings.SFTP{Host: "sftp.contoso.com",
		Username: "o2", Password: settings.StoredSecret{Value: settings.NewSecret(hidden)}}}
	runs, err := newDeliveryRuns(c, servicesOf(store))
	if err != nil {
		t.Fatal(err)
	}
	runs.server.Dial = server.Dial
	shown, _ := sftpserver.New(*runs.server).HostKey(t.Context())
	if runs.server.HostKeys, err = sftpstore.ParseHostKeys(shown.Pin); err != nil || shown.Pin == "" {
		t.Fatal(err)
	}
	return runs
}

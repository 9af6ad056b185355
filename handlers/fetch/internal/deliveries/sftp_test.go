package deliveries

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/shared/funchost"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/deliverytest"
	"o2archiver/shared/source/delivery/sftpstore"
)

const (
	sftpUser     = "vendor"
	sftpPassword = "correct-horse-battery"
)

// Making keys takes longer than a test.
var (
	hostKey  = sync.OnceValue(func() deliverytest.Key { return deliverytest.NewKey("ed25519") })
	otherKey = sync.OnceValue(func() deliverytest.Key { return deliverytest.NewKey("ed25519") })
)

// onSFTP makes the world's store that of an SFTP server.
func (w *world) onSFTP(edit ...func(*deliverytest.Options)) *deliverytest.Server {
	w.t.Helper()
	o := deliverytest.Options{HostKeys: []deliverytest.Key{hostKey()}, User: sftpUser, Password: sftpPassword,
		Methods: []string{"password"}}
	for _, e := range edit {
		e(&o)
	}
	server := deliverytest.New(o)
	w.t.Cleanup(server.Close)
	w.Secret(sftpUser+"@", sftpPassword)
	w.store = w.storeOf(server)
	return server
}

// storeOf returns a store of the server that has no connection yet.
func (w *world) storeOf(server *deliverytest.Server) *sftpstore.Store {
	w.t.Helper()
	return w.folderOf(server, "", delivery.IsDelivery)
}

// importsOf is storeOf for the folder imports.
func (w *world) importsOf(server *deliverytest.Server) *sftpstore.Store {
	w.t.Helper()
	return w.folderOf(server, ImportsFolder, delivery.IsZIP)
}

func (w *world) folderOf(server *deliverytest.Server, folder string, accept func(string) bool) *sftpstore.Store {
	w.t.Helper()
	pins, err := sftpstore.ParseHostKeys(deliverytest.PinOf(hostKey()))
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := sftpstore.New(sftpstore.Config{Host: "sftp.example", Username: sftpUser,
		Password: settings.NewSecret(sftpPassword), HostKeys: pins, Folder: folder},
		sftpstore.Options{Dial: server.Dial, Accept: accept, Optional: folder != ""})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

func file(data []byte, at time.Time) deliverytest.File {
	return deliverytest.File{Data: data, ModTime: at}
}

// sftpVirtual is virtual with the keys made outside of the bubble.
func sftpVirtual(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	hostKey()
	otherKey()
	virtual(t, test)
}

func TestDeliveriesBySFTP(t *testing.T) {
	sftpVirtual(t, func(t *testing.T) {
		for _, methods := range [][]string{{"password"}, {"keyboard-interactive"}} {
			w := newWorld(t)
			server := w.onSFTP(func(o *deliverytest.Options) { o.Methods = methods })
			server.Put(nameOf(1), file(makeZIP("a", 30), old))
			server.Put(nameOf(2), file(storedZIP(5*mebibyte), old))
			server.Put("notes.txt", file([]byte("x"), old))
			if res := w.run(); res.Read != 2 || res.Received != 31 || len(w.entries()) != 31 {
				t.Errorf("%v: %+v", methods, res)
			}
			c := server.Counts()
			if c.Opens != 2 || c.Lists != 2 || c.Connections != 1 || c.Stats != 0 || c.Concurrent > 1 {
				t.Errorf("%v: %+v", methods, c)
			}
			if res := w.run(); res.Read+res.Listed.Planned != 0 || server.Counts().Opens != 2 {
				t.Errorf("%v, again: %+v", methods, res)
			}
		}
	})
}

// A server with another host key gets nothing, and each run says so.
func TestOtherHostKey(t *testing.T) {
	sftpVirtual(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.onSFTP(func(o *deliverytest.Options) { o.HostKeys = []deliverytest.Key{otherKey()} })
		server.Put(nameOf(1), file(makeZIP("a", 3), old))
		for range 2 {
			if _, err := w.try(t.Context(), w.intake(w.Store)); !errors.Is(err, sftpstore.ErrHostKey) ||
				errors.Is(err, funchost.ErrUnavailable) {
				t.Errorf("%v", err)
			}
		}
		if c := server.Counts(); c.SignIns != 0 || w.events("fetch.deliveriesUnlisted") != 2 {
			t.Errorf("%+v, %d reports", c, w.events("fetch.deliveriesUnlisted"))
		}
	})
}

// A size that is not true, a file that may not be opened, and one that can be read once: the neighbours are read.
func TestSFTPServerMisbehaves(t *testing.T) {
	sftpVirtual(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.onSFTP()
		server.Put(nameOf(1), deliverytest.File{Data: makeZIP("a", 3), ModTime: old, Size: 1 << 50})
		server.Put(nameOf(2), deliverytest.File{Data: makeZIP("b", 3), ModTime: old, Denied: true})
		server.Put(nameOf(3), deliverytest.File{Data: makeZIP("c", 3), ModTime: old, ReadOnce: true})
		server.Put(nameOf(4), file(makeZIP("d", 3), old))
		server.ListTwice(nameOf(4))
		for n := range 3 {
			res, err := w.try(t.Context(), w.intake(w.Store))
			if err == nil {
				t.Errorf("run %d: no error", n)
			}
			if n == 0 && res.Read != 2 {
				t.Errorf("run %d: %+v", n, res)
			}
			w.clock.Add(time.Hour)
		}
		// What can be read once is read in the run that copied it, although no later listing shows the file.
		if w.outcomes() != "complete complete" || len(w.entries()) != 6 || len(w.state().Open) != 2 ||
			w.events("fetch.deliveryFailed") != 2 || w.events("fetch.deliveryGone") != 0 {
			t.Errorf("%s, %d entries, %d open", w.outcomes(), len(w.entries()), len(w.state().Open))
		}
	})
}

// A file that grows before, while and after it is listed and read, over SFTP, is read once, and whole.
func TestFileGrowsOnSFTP(t *testing.T) {
	t.Parallel()
	whole := storedZIP(5 * mebibyte)
	for name, grow := range map[string]func(w *world, server *deliverytest.Server){
		"before the listing": func(w *world, server *deliverytest.Server) {
			server.Put(nameOf(1), file(whole[:mebibyte], w.clock.Now()))
			w.run()
			server.Put(nameOf(1), file(whole[:2*mebibyte], w.clock.Now()))
		},
		"after the listing": func(w *world, server *deliverytest.Server) {
			server.Put(nameOf(1), file(whole[:mebibyte], old))
			w.store = growing{w.store, func() { server.Put(nameOf(1), file(whole, old.Add(time.Second))) }, 0}
		},
		"while it is read": func(w *world, server *deliverytest.Server) {
			server.Put(nameOf(1), file(whole[:5*mebibyte], old))
			w.store = growing{w.store, func() { server.Put(nameOf(1), file(whole, old.Add(time.Second))) }, mebibyte}
		},
		"after it is read": func(w *world, server *deliverytest.Server) {
			server.Put(nameOf(1), file(whole[:5*mebibyte], old))
			w.store = growing{w.store, func() { server.Put(nameOf(1), file(whole, old.Add(time.Second))) },
				5 * mebibyte}
		},
	} {
		t.Run(name, func(t *testing.T) {
			sftpVirtual(t, func(t *testing.T) {
				w := newWorld(t)
				server := w.onSFTP()
				grow(w, server)
				_, _ = w.try(t.Context(), w.intake(w.Store))
				server.Put(nameOf(1), file(whole, old.Add(time.Second)))
				w.store = w.storeOf(server)
				for range 4 {
					w.clock.Add(2 * time.Minute)
					w.run()
				}
				if !strings.HasSuffix(w.outcomes(), Complete) || strings.Count(w.outcomes(), Complete) != 1 ||
					len(w.entries()) != 1 {
					t.Errorf("%s, %d entries", w.outcomes(), len(w.entries()))
				}
			})
		})
	}
}

// growing is a store whose files grow when they were read up to an offset.
type growing struct {
	Store
	grow func()
	at   int64
}

// Open implements Store.
func (g growing) Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if g.at == 0 {
		g.grow()
	}
	r, err := g.Store.Open(ctx, path, offset)
	return &growingReader{r, g, 0}, err
}

type growingReader struct {
	io.ReadCloser
	g growing
	n int64
}

func (r *growingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.n < r.g.at && r.n+int64(n) >= r.g.at {
		r.g.grow()
	}
	r.n += int64(n)
	return n, err
}

// A server that is away for three weeks is reported, nothing is called missing, and then all is read.
func TestServerIsAwayForThreeWeeks(t *testing.T) {
	sftpVirtual(t, func(t *testing.T) {
		w := newWorld(t)
		server := w.onSFTP()
		server.Put(nameOf(1), file(makeZIP("first", 3), old))
		w.run()
		server.Fail(deliverytest.Fault{Phase: deliverytest.Accept, Kind: deliverytest.Freeze, Times: 1 << 30})
		server.CutAll()
		for range 21 {
			w.clock.Add(24 * time.Hour)
			began := time.Now()
			res, err := w.try(t.Context(), w.intake(w.Store))
			took := time.Since(began)
			if !errors.Is(err, funchost.ErrUnavailable) || res.Listed.Planned != 0 || took > funchost.Deadline {
				t.Fatalf("%+v, %v after %v", res, err, took)
			}
		}
		if n := w.events("fetch.deliveriesUnlisted"); n != 21 {
			t.Errorf("%d reports that nothing could be listed", n)
		}
		if n := w.events("fetch.noDelivery"); n != 20 { // each day after 26 hours
			t.Errorf("%d reports that nothing has come", n)
		}
		for _, event := range []string{"fetch.deliveryGap", "fetch.deliveryGone", "fetch.deliveryBroken"} {
			if w.events(event) != 0 {
				t.Errorf("%s: nothing is known of the server", event)
			}
		}
		server.Heal()
		server.CutAll()
		for i := range 21 {
			day := start.AddDate(0, 0, i+1)
			name := day.Format("20060102") + "0000-TeleMessage_1_" + day.Format("20060102150405") + ".zip"
			server.Put(name, file(makeZIP(day.Format("d20060102-"), 2), day.Add(-time.Hour)))
		}
		if res := w.run(); res.Read != 21 || res.Received != 42 || len(w.entries()) != 45 {
			t.Errorf("%+v, %d entries", res, len(w.entries()))
		}
		w.clock.Add(2 * time.Hour)
		w.run()
		if n := w.events("fetch.deliveryGap"); n != 0 {
			t.Errorf("%d gaps where there is none", n)
		}
	})
}

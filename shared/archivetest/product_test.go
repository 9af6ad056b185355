package archivetest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/ledger"
	"o2archiver/shared/record"
)

// account is one storage account as the product's own clients see it.
type account struct {
	store  *archive.Store
	ledger *ledger.Ledger
	faulty func(rule func(*http.Request) archivetest.Fault) (*archive.Store, *ledger.Ledger)
	folder string // of a run that no other test has
}

// eachAccount runs a test against the stand-in, in a bubble whose time is virtual, and against Azurite. Both have to do
// the same.
func eachAccount(t *testing.T, run func(t *testing.T, a *account)) {
	t.Run("archivetest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := archivetest.ForTest(t, nil)
			open := func(way http.RoundTripper) (*archive.Store, *ledger.Ledger) {
				return openBoth(t, s.ConnectionString(), &http.Client{Transport: way})
			}
			a := &account{faulty: func(rule func(*http.Request) archivetest.Fault) (*archive.Store, *ledger.Ledger) {
				return open(s.Through(rule))
			}}
			a.store, a.ledger = open(s)
			a.start(t, run)
		})
	})
	t.Run("azurite", func(t *testing.T) {
		t.Parallel()
		real := azurite.ForTest(t)
		a := &account{faulty: func(rule func(*http.Request) archivetest.Fault) (*archive.Store, *ledger.Ledger) {
			return openBoth(t, real.Proxy(t, func(r *http.Request) azurite.Fault { return azurite.Fault(rule(r)) }),
				nil)
		}}
		a.store, a.ledger = openBoth(t, real.ConnectionString(), nil)
		a.start(t, run)
	})
}

func openBoth(t *testing.T, connection string, client *http.Client) (*archive.Store, *ledger.Ledger) {
	t.Helper()
	s, err := archive.Open(archive.Config{ConnectionString: connection, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Config{ConnectionString: connection, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

func (a *account) start(t *testing.T, run func(t *testing.T, a *account)) {
	a.folder = "2026/11/28/" + rand.Text()
	for range 2 { // twice: the second finds them there
		if err := errors.Join(a.store.CreateContainers(t.Context()), a.ledger.CreateTable(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	run(t, a)
}

// lossy is a way on which each request of the method meets the fault once.
func (a *account) lossy(method string, fault archivetest.Fault) (*archive.Store, *ledger.Ledger) {
	var mu sync.Mutex
	seen := map[string]bool{}
	return a.faulty(func(r *http.Request) archivetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		key := r.URL.RequestURI() + r.Header.Get("X-Ms-Lease-Action")
		if r.Method != method || seen[key] {
			return archivetest.Pass
		}
		seen[key] = true
		return fault
	})
}

// faults are those after which the product's clients go on by themselves.
var faults = []archivetest.Fault{archivetest.Pass, archivetest.Lose, archivetest.Reset, archivetest.Refuse,
	archivetest.Busy}

func expect(t *testing.T, what string, got, want any, err error) {
	t.Helper()
	if err != nil || got != want {
		t.Errorf("%s: %v, %v; want %v", what, got, err, want)
	}
}

func TestArchiveWritesAsAzurite(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, a *account) {
		ctx := t.Context()
		large := bytes.Repeat([]byte("0123456789abcdef"), 5<<16) // in two blocks
		sum := sha256.Sum256(large)
		for i, fault := range faults {
			s, _ := a.lossy(http.MethodPut, fault)
			what := func(name string) string { return fmt.Sprintf("fault %d, %s", fault, name) }
			folder := fmt.Sprintf("%s-%d", a.folder, i)
			name, err := s.Batches().Write(ctx, folder, 1, []byte("{}\n"), 1)
			expect(t, what("batch"), name, folder+"/00001.ndjson", err)
			name, err = s.Batches().Write(ctx, folder, 1, []byte("[]\n"), 1)
			expect(t, what("another batch"), name, folder+"/00001-b.ndjson", err)
			n, staged, err := s.Batches().WriteManifest(ctx, folder, archive.Manifest{Version: 1})
			expect(t, what("manifest"), [2]int{n, staged}, [2]int{2, 2}, err)
			n = 0
			_, err = a.store.Batches().ReadManifest(ctx, folder, func(archive.BatchInfo) { n++ })
			expect(t, what("manifest"), n, 2, err)
			sha, size, err := s.Media().Put(ctx, fmt.Sprintf("2026/12/%02d", i+1), hex.EncodeToString(sum[:]),
				bytes.NewReader(large))
			expect(t, what("media"), fmt.Sprint(sha, size), fmt.Sprint(hex.EncodeToString(sum[:]), len(large)), err)
			kept, _, _, err := s.Media().KeepRaw(ctx, folder+"/raw", strings.NewReader("raw"))
			expect(t, what("raw"), kept, "raw/"+folder+"/raw", err)
			etag, err := s.Checkpoints().Put(ctx, folder+".json", 1, "", nil)
			expect(t, what("create JSON"), etag != "", true, err)
			_, err = s.Checkpoints().Put(ctx, folder+".json", 2, etag, nil)
			expect(t, what("replace JSON"), true, true, err)
			if _, err = a.store.Checkpoints().Put(ctx, folder+".json", 3, etag, nil); !errors.Is(err,
				archive.ErrChanged) {
				t.Errorf("%s: %v", what("replace JSON that was replaced"), err)
			}
			if _, err = a.store.Checkpoints().Put(ctx, folder+".json", 3, "", nil); !errors.Is(err,
				archive.ErrExists) {
				t.Errorf("%s: %v", what("create JSON that is there"), err)
			}
			var v int
			_, err = a.store.Checkpoints().Get(ctx, folder+".json", &v)
			expect(t, what("JSON"), v, 2, err)
		}
		body, size, err := a.store.Media().Open(ctx, record.Media{SHA256: hex.EncodeToString(sum[:]),
			Day: "2026/12/02"}.Blob())
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		got, err := io.ReadAll(body)
		expect(t, "media", bytes.Equal(got, large) && size == int64(len(large)), true, err)
		if _, _, err := a.store.Batches().Read(ctx, a.folder+"/00009.ndjson"); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("a batch that is not there: %v", err)
		}
		runs, err := a.store.Batches().Runs(ctx, "2026/11/28")
		found := 0
		for _, run := range runs {
			if strings.HasPrefix(run, a.folder) {
				found++
			}
		}
		expect(t, "runs", found, len(faults), err)
	})
}

func TestDeferredItemsAsAzurite(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, a *account) {
		ctx, prefix := t.Context(), strings.ToLower(rand.Text())
		for i, fault := range faults {
			s, _ := a.lossy(http.MethodPut, fault)
			key := fmt.Sprintf("%s-%d", prefix, i)
			err := errors.Join(s.Deferred().Put(ctx, key, "first", "facts"), s.Deferred().Put(ctx, key, "stays"),
				s.Deferred().Replace(ctx, key, "new", "others"))
			expect(t, key, true, true, err)
			if err := s.Deferred().Replace(ctx, key+"-none", 1); !errors.Is(err, archive.ErrNotFound) {
				t.Errorf("replace what is not there: %v", err)
			}
		}
		var keys []string
		more, err := a.store.Deferred().Each(ctx, prefix, 3, func(key, facts string, put time.Time) {
			if facts != "others" || put.IsZero() {
				t.Errorf("%s: %q, %v", key, facts, put)
			}
			keys = append(keys, key)
		})
		expect(t, "waiting", fmt.Sprint(len(keys), more), "3 true", err)
		for _, key := range keys {
			expect(t, "delete", true, true, a.store.Deferred().Delete(ctx, key))
			if err := a.store.Deferred().Delete(ctx, key); !errors.Is(err, archive.ErrNotFound) {
				t.Errorf("delete again: %v", err)
			}
		}
	})
}

func TestLogsAsAzurite(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, a *account) {
		ctx := t.Context()
		for i, fault := range faults {
			s, _ := a.lossy(http.MethodPut, fault)
			logs, others, name := s.Logs(), a.store.Logs(), fmt.Sprintf("%s/%05d.jsonl", a.folder, i)
			_, size, err := logs.Tail(ctx, name, 9)
			expect(t, "tail of none", size, int64(-1), err)
			lease, _, err := logs.Acquire(ctx, name)
			if err != nil || lease == nil {
				t.Fatalf("acquire: %v, %v", lease, err)
			}
			expect(t, "the lease is held", lease.Context().Err(), nil, nil)
			if other, _, err := others.Acquire(ctx, name); other != nil || err != nil {
				t.Errorf("acquire again: %v, %v", other, err)
			}
			err = lease.Append(ctx, 0, []byte("one\n"))
			expect(t, "append", true, true, err)
			err = lease.Append(ctx, 4, []byte("two\n"))
			expect(t, "append", true, true, err)
			if err := lease.Append(ctx, 4, []byte("2\n")); !errors.Is(err, archive.ErrChanged) {
				t.Errorf("append where something is: %v", err)
			}
			data, size, err := others.Tail(ctx, name, 5)
			expect(t, "tail", fmt.Sprintf("%q %d", data, size), `"\ntwo\n" 8`, err)
			lease.Release()
			if err := lease.Append(ctx, 8, []byte("x")); !errors.Is(err, archive.ErrChanged) {
				t.Errorf("append without the lease: %v", err)
			}
			again, empty, err := others.Acquire(ctx, name)
			expect(t, "what was released is empty", empty, false, err)
			if again != nil {
				again.Release()
			}
		}
	})
}

func TestLedgerAsAzurite(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, a *account) {
		ctx := t.Context()
		me := ledger.Holder{Batch: "b", Line: 1, Invocation: "i"}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			for _, fault := range faults {
				_, l := a.lossy(method, fault)
				key := hex.EncodeToString([]byte(rand.Text()))
				what := fmt.Sprintf("%s, fault %d: ", method, fault)
				c, row, err := l.Claim(ctx, key, me, "f")
				expect(t, what+"claim", c != nil && row == nil, true, err)
				other, row, err := a.ledger.Claim(ctx, key, ledger.Holder{Batch: "c", Line: 2}, "f")
				expect(t, what+"claim again", other == nil && row != nil && row.State == ledger.Pending, true, err)
				if row == nil || c == nil {
					continue
				}
				taken, err := a.ledger.TakeOver(ctx, key, row, ledger.Holder{Batch: "c", Line: 2})
				expect(t, what+"take over", taken != nil, true, err)
				if err := c.Renew(ctx); !errors.Is(err, ledger.ErrLost) {
					t.Errorf("%srenew what was taken over: %v", what, err)
				}
				expect(t, what+"done", true, true, taken.Done(ctx, "id", "imported"))
				row, err = a.ledger.Look(ctx, key)
				expect(t, what+"look", row != nil && row.State == ledger.Done && row.GraphID == "id" &&
					row.Age < time.Minute, true, err)
				second, _, err := l.Claim(ctx, key+"-2", me, "f")
				expect(t, what+"claim another", second != nil, true, err)
				if second != nil {
					expect(t, what+"renew and release", true, true, errors.Join(second.Renew(ctx), second.Release(ctx)))
				}
				row, err = a.ledger.Look(ctx, key+"-2")
				expect(t, what+"look for what was released", row == nil, true, err)
			}
		}
	})
}

// A lease that is renewed outlives its 15 seconds, and one that is not ends, in virtual time.
func TestLeaseInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := archivetest.ForTest(t, nil)
		var away atomic.Bool
		faulty, _ := openBoth(t, s.ConnectionString(),
			&http.Client{Transport: s.Through(func(r *http.Request) archivetest.Fault {
				if away.Load() && r.Header.Get("X-Ms-Lease-Action") == "renew" {
					return archivetest.Stall
				}
				return archivetest.Pass
			})})
		other, _ := openBoth(t, s.ConnectionString(), s.Client())
		if err := other.CreateContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := faulty.Checkpoints().Lease(t.Context(), "x.json")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := other.Checkpoints().Lease(t.Context(), "x.json"); !errors.Is(err, archive.ErrLeased) ||
			l.Context().Err() != nil {
			t.Errorf("after an hour: %v, %v", err, context.Cause(l.Context()))
		}
		away.Store(true)
		time.Sleep(14 * time.Second) // lost at 12 s after the last renewal, which is at most 4 s old
		if l.Context().Err() == nil {
			t.Error("its holder has not noticed that it is not renewed")
		}
		time.Sleep(5 * time.Second)
		taken, err := other.Checkpoints().Lease(t.Context(), "x.json")
		if err != nil {
			t.Fatal(err)
		}
		taken.Release()
		l.Release()
	})
}

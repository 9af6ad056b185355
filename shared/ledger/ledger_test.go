package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/archivetest"
)

// clock is the time of a test; it goes on by a second whenever it is read.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC).Unix())
	return c
}

func (c *clock) now() time.Time { return time.Unix(c.at.Add(1), 0).UTC() }

func quickly() policy.RetryOptions {
	return policy.RetryOptions{MaxRetries: 3, RetryDelay: time.Millisecond, MaxRetryDelay: 5 * time.Millisecond,
		TryTimeout: 10 * time.Second}
}

// openThrough opens the ledger of the test's storage on a way of its own.
func openThrough(t testing.TB, way http.RoundTripper, retry policy.RetryOptions) *Ledger {
	t.Helper()
	l, err := openWith(Config{
		ConnectionString: archivetest.Shared(
			t).ConnectionString(), HTTP: &http.Client{Transport: way}, Now: newClock().now,
	}, retry)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testLedger(t testing.TB) *Ledger {
	t.Helper()
	l := openThrough(t, archivetest.Shared(t), quickly())
	for range 2 { // twice: the second finds it there
		if err := l.CreateTable(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestWithoutATable(t *testing.T) {
	l := openThrough(t, archivetest.Shared(t), quickly())
	if _, _, err := l.Claim(t.Context(), key(), holder(1), ""); !errors.Is(err, errNoTable) {
		t.Errorf("without a table: %v, want %v", err, errNoTable)
	}
}

// faultyLedger has faults on its way to the same table: n counts the requests of this method.
func faultyLedger(t testing.TB, method string, fault func(n int) archivetest.Fault) *Ledger {
	t.Helper()
	testLedger(t)
	var n atomic.Int32
	return openThrough(t, archivetest.Shared(t).Through(func(r *http.Request) archivetest.Fault {
		if r.Method != method {
			return archivetest.Pass
		}
		return fault(int(n.Add(1)))
	}), quickly())
}

// forgetfulLedger loses the first answer to each insert, however many of them are under way.
func forgetfulLedger(t testing.TB) *Ledger {
	t.Helper()
	testLedger(t)
	var seen sync.Map // by the body
	return openThrough(t, archivetest.Shared(t).Through(func(r *http.Request) archivetest.Fault {
		body, err := io.ReadAll(r.Body)
		if _, again := seen.LoadOrStore(string(body), true); r.Method != http.MethodPost || err != nil || again {
			return archivetest.Pass
		}
		return archivetest.Lose
	}), quickly())
}

func first(f archivetest.Fault) func(int) archivetest.Fault {
	return func(n int) archivetest.Fault {
		if n == 1 {
			return f
		}
		return archivetest.Pass
	}
}

// loseAll lets the first four tries, all that the SDK makes, have their effect without an answer.
func loseAll(n int) archivetest.Fault {
	if n <= 4 {
		return archivetest.Lose
	}
	return archivetest.Pass
}

// key is one that no other test has.
func key() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func holder(line int) Holder {
	return Holder{Batch: "2026/11/23/run/00001.ndjson", Line: line, Invocation: "one"}
}

func claim(t *testing.T, l *Ledger, k string) *Claim {
	t.Helper()
	c, row, err := l.Claim(t.Context(), k, holder(1), "f1")
	if err != nil || c == nil || row != nil {
		t.Fatalf("claim: %v, %v, %v", c, row, err)
	}
	return c
}

func look(t *testing.T, l *Ledger, k string) *Row {
	t.Helper()
	row, err := l.Look(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestLifeOfARow(t *testing.T) {
	ctx, l, k := t.Context(), testLedger(t), key()
	if row := look(t, l, k); row != nil {
		t.Fatalf("there is a row: %v", row)
	}
	c := claim(t, l, k)
	want := &Row{State: Pending, Batch: "2026/11/23/run/00001.ndjson", Line: 1, Invocation: "one", Fingerprint: "f1"}
	ignore := cmp.Options{cmpopts.IgnoreFields(Row{}, "At", "Age"), cmpopts.IgnoreUnexported(Row{})}

	other, row, err := l.Claim(ctx, k, Holder{Batch: "b", Line: 2, Invocation: "two"}, "f2")
	if err != nil || other != nil {
		t.Fatalf("claim again: %v, %v", other, err)
	}
	if diff := cmp.Diff(want, row, ignore); diff != "" {
		t.Error(diff)
	}
	if err := c.Renew(ctx); err != nil {
		t.Fatal(err)
	}
	renewed := look(t, l, k)
	if !renewed.At.After(row.At) {
		t.Errorf("renewed at %v, claimed at %v", renewed.At, row.At)
	}
	if since := c.Since(); since <= 0 || since > 10*time.Second {
		t.Errorf("renewed %v ago", since)
	}
	if _, err := l.TakeOver(ctx, k, row, holder(2)); !errors.Is(err, ErrLost) {
		t.Errorf("take over what was renewed meanwhile: %v, want %v", err, ErrLost)
	}
	for range 2 {
		if err := c.Done(ctx, "graph-id", "imported"); err != nil {
			t.Fatal(err)
		}
	}
	want.State, want.GraphID, want.Outcome = Done, "graph-id", "imported"
	_, row, err = l.Claim(ctx, k, holder(1), "f1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, row, ignore); diff != "" {
		t.Error(diff)
	}
	if _, err := l.TakeOver(ctx, k, row, holder(2)); err == nil {
		t.Error("a row that is done is taken over")
	}
}

func TestTakeOver(t *testing.T) {
	ctx, l, k := t.Context(), testLedger(t), key()
	old := claim(t, l, k)
	if err := old.Intend(ctx, "oversize", "f1"); err != nil {
		t.Fatal(err)
	}
	row := look(t, l, k)
	if row.State != Pending || row.Outcome != "oversize" {
		t.Errorf("whoever takes over sees %+v", row)
	}
	next, err := l.TakeOver(ctx, k, row, Holder{Batch: "b", Line: 2, Invocation: "two"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"renew": old.Renew(ctx), "intend": old.Intend(ctx, "x", "f1"), "done": old.Done(ctx, "x",
			"imported"), "release": old.Release(ctx),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s after it was taken over: %v, want %v", name, err, ErrLost)
		}
	}
	if _, err := l.TakeOver(ctx, k, row, holder(3)); !errors.Is(err, ErrLost) {
		t.Errorf("take over twice: %v, want %v", err, ErrLost)
	}
	if err := next.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if row := look(t, l, k); row != nil {
		t.Errorf("there is a row after the release: %v", row)
	}
	for name, err := range map[string]error{"renew": next.Renew(ctx), "done": next.Done(ctx, "x", "imported")} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s after the release: %v, want %v", name, err, ErrLost)
		}
	}
	if err := next.Release(ctx); err != nil {
		t.Errorf("release twice: %v", err)
	}
	claim(t, l, k)
}

// TestOneWins has many claim one copy, half of them on a way that loses answers.
func TestOneWins(t *testing.T) {
	l := testLedger(t)
	lossy := forgetfulLedger(t)
	for range 10 {
		k := key()
		var wins atomic.Int32
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				from := []*Ledger{l, lossy}[i%2]
				c, row, err := from.Claim(t.Context(), k, holder(i), "f")
				switch {
				case err != nil:
					t.Error(err)
				case (c == nil) == (row == nil):
					t.Errorf("claim %v and row %v", c, row)
				case c != nil:
					wins.Add(1)
				}
			})
		}
		group.Wait()
		if wins.Load() != 1 {
			t.Errorf("%d have the claim", wins.Load())
		}
	}
}

// TestFaults puts each fault on the first try of each write: the SDK tries again, and what was done already is taken
// for done.
func TestFaults(t *testing.T) {
	for _, fault := range []archivetest.Fault{archivetest.Lose, archivetest.Reset, archivetest.Refuse,
		archivetest.Busy} {
		ctx, l, k := t.Context(), testLedger(t), key()
		c, row, err := faultyLedger(t, http.MethodPost, first(fault)).Claim(ctx, k, holder(1), "f")
		if err != nil || c == nil {
			t.Fatalf("fault %d: claim: %v, %v", fault, row, err)
		}
		via := func(method string) { c.ledger = faultyLedger(t, method, first(fault)) }
		via(http.MethodPut)
		if err := c.Renew(ctx); err != nil {
			t.Errorf("fault %d: renew: %v", fault, err)
		}
		took, err := faultyLedger(t, http.MethodPut, first(fault)).TakeOver(ctx, k, look(t, l, k), holder(2))
		if err != nil {
			t.Fatalf("fault %d: take over: %v", fault, err)
		}
		if err := c.Renew(ctx); !errors.Is(err, ErrLost) {
			t.Errorf("fault %d: renew after it was taken over: %v", fault, err)
		}
		c = took
		via(http.MethodPut)
		if err := c.Done(ctx, "id", "imported"); err != nil {
			t.Errorf("fault %d: done: %v", fault, err)
		}
		if row := look(t, l, k); row.State != Done || row.GraphID != "id" || row.Line != 2 {
			t.Errorf("fault %d: row %v", fault, row)
		}
		c = claim(t, l, key())
		via(http.MethodDelete)
		if err := c.Release(ctx); err != nil {
			t.Errorf("fault %d: release: %v", fault, err)
		}
		if row := look(t, l, c.key); row != nil {
			t.Errorf("fault %d: row after the release: %v", fault, row)
		}
	}
}

func TestErrors(t *testing.T) {
	testLedger(t)
	tests := []struct {
		name  string
		fault archivetest.Fault
		text  string
	}{
		{"500", archivetest.Refuse, "claim a copy: table service unavailable: answered 500"},
		{"503", archivetest.Busy, "claim a copy: table service unavailable: answered 503"},
		{"reset", archivetest.Reset, "claim a copy: table service unavailable: the connection broke off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := faultyLedger(t, http.MethodPost,
				func(int) archivetest.Fault { return tt.fault }).Claim(t.Context(), key(), holder(1), "f")
			if !errors.Is(err, ErrUnavailable) || strings.TrimSpace(err.Error()) != tt.text {
				t.Errorf("error %v, want %q", err, tt.text)
			}
		})
	}
	t.Run("wrong key", func(t *testing.T) {
		c := strings.ReplaceAll(archivetest.Shared(t).ConnectionString(), archivetest.Key, "AAAA")
		l, err := openWith(Config{ConnectionString: c, HTTP: archivetest.Shared(t).Client()}, quickly())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := l.Claim(t.Context(), key(), holder(1), "f"); !errors.Is(err, ErrDenied) {
			t.Errorf("error %v, want %v", err, ErrDenied)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		cause := errors.New("that is enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, _, err := testLedger(t).Claim(ctx, key(), holder(1), "f"); !errors.Is(err, cause) ||
			errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v, want %v", err, cause)
		}
	})
	t.Run("open", func(t *testing.T) {
		for _, c := range []Config{
			{}, {TableURL: &url.URL{Scheme: "https", Host: "a.table.core.windows.net"}},
			{ConnectionString: "geheim"}, {ConnectionString: "AccountName=geheim;AccountKey=ge heim"},
		} {
			if _, err := Open(c); err == nil || strings.Contains(err.Error(), "geheim") {
				t.Errorf("error %v", err)
			}
		}
	})
}

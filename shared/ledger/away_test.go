package ledger

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
)

// TestSettle: the row of a copy that is part of another is there at once, and never in the way of what is there
// already.
func TestSettle(t *testing.T) {
	ctx, l := t.Context(), testLedger(t)
	k := key()
	lossy := faultyLedger(t, http.MethodPost, loseAll)
	if err := lossy.Settle(ctx, k, holder(1), "", "id", "imported"); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Settle(ctx, k, holder(2), "", "another", "oversize"); err != nil {
			t.Error(err)
		}
	}
	if row := look(t, l, k); row.State != Done || row.GraphID != "id" || row.Outcome != "imported" || row.Line != 1 {
		t.Errorf("row %v", row)
	}
	c := claim(t, l, key())
	if err := l.Settle(ctx, c.key, holder(2), "", "id", "imported"); err != nil {
		t.Error(err)
	}
	if err := c.Done(ctx, "own", "imported"); err != nil {
		t.Errorf("done: %v", err)
	}
}

// TestAwayAfterEffect: the write is done, and no try of the SDK gets an answer. Asked again later, the ledger knows its
// own.
func TestAwayAfterEffect(t *testing.T) {
	ctx, l := t.Context(), testLedger(t)
	t.Run("claim", func(t *testing.T) {
		k, lossy := key(), faultyLedger(t, http.MethodPost, loseAll)
		if c, row, err := lossy.Claim(ctx, k, holder(1), "f"); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("%v, %v, %v", c, row, err)
		}
		if c, row, err := lossy.Claim(ctx, k, holder(2), "f"); c != nil || row == nil {
			t.Errorf("another line: %v, %v, %v", c, row, err)
		}
		inserted := look(t, l, k).At
		later := lossy.now
		lossy.now = func() time.Time { return later().Add(time.Hour) } // so long storage was away
		c, row, err := lossy.Claim(ctx, k, holder(1), "f")
		if c == nil {
			t.Fatalf("the same line: %v, %v", row, err)
		}
		// The others count from the insert: a holder that writes with this claim has to renew it first.
		if age := lossy.now().Sub(inserted); c.Since() < age-time.Second {
			t.Errorf("the claim says that it is %v old, it is %v", c.Since(), age)
		}
		if c, row, err := lossy.Claim(ctx, k, holder(1), "f"); c != nil || row == nil {
			t.Errorf("it is handed out twice: %v, %v", row, err)
		}
	})
	t.Run("done", func(t *testing.T) {
		c := claim(t, l, key())
		c.ledger = faultyLedger(t, http.MethodPut, loseAll)
		if err := c.Done(ctx, "id", "imported"); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		if err := c.Renew(ctx); err != nil {
			t.Errorf("renew: %v", err)
		}
		if err := c.Done(ctx, "id", "imported"); err != nil {
			t.Errorf("done: %v", err)
		}
		if row := look(t, l, c.key); row.State != Done {
			t.Errorf("row %v", row)
		}
	})
	t.Run("release", func(t *testing.T) {
		c := claim(t, l, key())
		c.ledger = faultyLedger(t, http.MethodDelete, loseAll)
		if err := c.Release(ctx); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		other := claim(t, l, c.key)
		if c.Since() < time.Hour {
			t.Errorf("a claim that may be given back counts as %v old: somebody would write with it", c.Since())
		}
		if err := c.Renew(ctx); !errors.Is(err, ErrLost) {
			t.Errorf("renew: %v", err)
		}
		if err := other.Renew(ctx); err != nil {
			t.Errorf("the other's: %v", err)
		}
	})
	t.Run("release after a renewal", func(t *testing.T) {
		c := claim(t, l, key())
		c.ledger = faultyLedger(t, http.MethodPut, loseAll)
		if err := c.Renew(ctx); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		if err := c.Release(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Every request asks for an answer that is not compressed: net/http would decompress any other to any size.
func TestAnswersAreNotDecompressed(t *testing.T) {
	testLedger(t) // makes the table
	asked := map[string]int{}
	l := openThrough(t, archivetest.Shared(t).Through(func(r *http.Request) archivetest.Fault {
		asked[r.Header.Get("Accept-Encoding")]++
		return archivetest.Pass
	}), quickly())
	c := claim(t, l, key())
	if err := c.Done(t.Context(), "id", "imported"); err != nil {
		t.Fatal(err)
	}
	if row := look(t, l, c.key); row.State != Done {
		t.Errorf("row %v", row)
	}
	if asked["identity"] < 3 || len(asked) != 1 {
		t.Errorf("Accept-Encoding, and the number of requests: %v", asked)
	}
}

package ledger

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/azurite"
	"o2archiver/shared/record"
)

func candidate(line int) First {
	return First{Place: record.Place{Batch: "2026/11/23/run/00001.ndjson", Line: line}, Fingerprint: fmt.Sprintf("f%d", line), Parties: "p", Gone: line}
}

// Of many that decide at once, some on a way that loses answers, all learn the same; and it stays.
func TestDecideFirst(t *testing.T) {
	l := testLedger(t)
	lossy := faultyLedger(t, http.MethodPost, func(n int) azurite.Fault { return azurite.Fault(n%2) * azurite.Lose })
	for range 5 {
		k := key()
		decided := make([]First, 8)
		var group sync.WaitGroup
		for i := range decided {
			group.Go(func() {
				var err error
				if decided[i], err = []*Ledger{l, lossy}[i%2].DecideFirst(t.Context(), k, candidate(i+1)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, d := range decided {
			if diff := cmp.Diff(candidate(decided[0].Line), d); diff != "" {
				t.Errorf("two are the first:\n%s", diff)
			}
		}
		again, err := l.DecideFirst(t.Context(), k, candidate(99))
		if diff := cmp.Diff(decided[0], again); diff != "" || err != nil {
			t.Errorf("decided anew: %v\n%s", err, diff)
		}
		if row := look(t, l, k); row != nil {
			t.Errorf("there is a row of a copy: %+v", row)
		}
	}
}

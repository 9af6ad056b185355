package ledger

import (
	"testing"
	"time"

	"o2archiver/shared/archivetest"
)

// The age of a row goes by the table service's clock alone, whatever its writer and its reader take for the time.
func TestAgeGoesByTheServicesClock(t *testing.T) {
	for name, apart := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			k := key()
			claim(t, testLedger(t), k) // by a clock of its own, too
			l := openThrough(t, archivetest.Shared(t), quickly())
			l.now = func() time.Time { return time.Now().Add(apart) }
			if row := look(t, l, k); row.Age < 0 || row.Age > 10*time.Minute {
				t.Errorf("a row that was just written is %v old", row.Age)
			}
			_, row, err := l.Claim(t.Context(), k, holder(2), "f1")
			if err != nil || row == nil || row.Age < 0 || row.Age > 10*time.Minute {
				t.Errorf("claimed again: %+v, %v", row, err)
			}
		})
	}
}

package firsts

import (
	"bytes"
	"strings"
	"testing"

	"o2archiver/shared/record"
)

// A batch has at most MaxRecords records and MaxBytes bytes, unless a single entry is larger.
func TestBatchHasLimits(t *testing.T) {
	t.Parallel()
	parts := func(n int) record.Entry { return record.Entry{Version: 1, Items: make([]record.Item, n)} }
	large := entryOf(t, "large", strings.Repeat("x", MaxBytes*2/3))
	for name, test := range map[string]struct {
		entries []record.Entry
		fits    bool // the last one
		lines   int
		records int
	}{
		"just as many records":      {[]record.Entry{parts(MaxRecords - 1), parts(1)}, true, 2, MaxRecords},
		"one record more":           {[]record.Entry{parts(MaxRecords - 1), parts(2)}, false, 1, MaxRecords - 1},
		"too many bytes":            {[]record.Entry{large, large}, false, 1, 1},
		"one that is too large":     {[]record.Entry{entryOf(t, "m", strings.Repeat("x", 2*MaxBytes))}, true, 1, 1},
		"one with too many records": {[]record.Entry{parts(2 * MaxRecords)}, true, 1, 2 * MaxRecords},
	} {
		b := &Batch{Firsts: New()}
		for i, e := range test.entries {
			fits, err := b.Append(e, IdentityOf(e))
			if last := i == len(test.entries)-1; err != nil || fits != (test.fits || !last) {
				t.Errorf("%s: entry %d fits: %v, %v", name, i+1, fits, err)
			}
		}
		if b.Records() != test.records || bytes.Count(b.Lines(), []byte("\n")) != test.lines {
			t.Errorf("%s: %d records, %d bytes", name, b.Records(), len(b.Lines()))
		}
		if b.Written("1"); b.Records() != 0 || len(b.Lines()) != 0 {
			t.Errorf("%s: the next batch is not empty", name)
		}
	}
}

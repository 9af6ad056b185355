package delivery

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery/zipread"
)

// Of each sample, whatever is wrong with it, the messages that are there become records, and the others have a reason.
func TestMessagesOfSamples(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ records, faults, problems, ids int }{
		"202611280000-TeleMessage_1_20261128050012": {records: 7, ids: 7},
		"case-differs":         {records: 7, ids: 7},
		"count-too-high":       {records: 7, ids: 7},
		"empty-file":           {records: 6, ids: 6, faults: 1},
		"listed-but-missing":   {records: 6, ids: 6},
		"no-manifest":          {records: 7, ids: 7},
		"password":             {problems: 2},
		"paths":                {records: 7, ids: 7},
		"same-name-twice":      {records: 8, ids: 7},
		"there-but-not-listed": {records: 8, ids: 7},
	} {
		raw, err := os.ReadFile(filepath.Join("zipread", "testdata", name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := zipread.Open(strings.NewReader(string(raw)), int64(len(raw)), zipread.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		got, ids := want, map[string]bool{}
		got.records, got.faults, got.problems = 0, 0, 0
		for _, e := range a.Entries {
			if e.Kind != zipread.Message {
				continue
			}
			var entry record.Entry
			problem, err := a.Read(e, func(r io.Reader) (err error) {
				entry, err = Describe(r, Options{})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if problem != "" {
				got.problems++
				continue
			}
			r, err := Parse(entry)
			var fault *record.Fault
			switch {
			case errors.As(err, &fault):
				got.faults++
			case err != nil:
				t.Fatal(err)
			default:
				got.records++
				ids[r.ID] = true
			}
		}
		got.ids = len(ids)
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// A damaged message has a problem although it was described: its checksum is behind its end.
func TestDamagedMessageHasNoEntry(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("zipread", "testdata", "no-manifest.zip"))
	if err != nil {
		t.Fatal(err)
	}
	at := strings.LastIndex(string(raw), "PK\x01\x02")
	raw[at+16] ^= 0xff // the checksum of the last entry
	a, err := zipread.Open(strings.NewReader(string(raw)), int64(len(raw)), zipread.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	problems := 0
	for _, e := range a.Entries {
		problem, err := a.Read(e, func(r io.Reader) error { _, err := Describe(r, Options{}); return err })
		if err != nil {
			t.Fatal(err)
		}
		if problem == zipread.Broken {
			problems++
		}
	}
	if problems != 1 {
		t.Errorf("%d entries are damaged, want 1", problems)
	}
}

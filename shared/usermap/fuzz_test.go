package usermap

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func FuzzParseCSV(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.csv")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range seeds {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add([]byte(wide(string(data), binary.LittleEndian)))
	}
	number := regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
	telling := regexp.MustCompile(`[^\s,;"']*([0-9]{6}|[^\s]@)[^\s,;"']*`)
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ParseCSV(strings.NewReader(string(data)), "GB")
		if err != nil {
			var bad *CSVError
			if table != nil || !errors.As(err, &bad) || len(bad.Lines) == 0 || len(bad.Lines) > maxBad {
				t.Fatalf("table %v, error %v", table, err)
			}
			for _, l := range bad.Lines {
				if l.Line < 1 || l.Line > len(data)+1 {
					t.Errorf("line %d of %d bytes", l.Line, len(data))
				}
			}
			for _, word := range telling.FindAllString(string(data), -1) {
				if strings.Contains(err.Error(), word) {
					t.Errorf("%q is in the error: %v", word, err)
				}
			}
			return
		}
		if table.Len() == 0 {
			t.Error("an empty table")
		}
		for e164, rows := range table.rows {
			if !number.MatchString(e164) {
				t.Errorf("number %q", e164)
			}
			for i, r := range rows {
				if again, ok := plainAddress(r.address); again != r.address || !ok {
					t.Errorf("address %q", r.address)
				}
				for _, other := range rows[:i] {
					if r.first <= other.last && other.first <= r.last && r.address != other.address {
						t.Errorf("two mailboxes for one number: %v, %v", r, other)
					}
				}
			}
		}
	})
}

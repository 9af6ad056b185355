// Package soak decides how much the long tests do: the short form that `make test` runs, the long form of `make soak`,
// or one share of the long form.
package soak

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The environment variables that select the form.
const (
	Variable     = "SOAK" // "" or "0": the short form; "all": the long form; "3/40": the third of forty shares of it
	SeedVariable = "SEED" // seed of random choices; "" or "0": the number of the day, the same for all its runs
)

// Form holds how much a test does.
type Form struct {
	Long bool // the long form: many kills, outages of minutes, every call with every fault
	Seed uint64

	share, of int // of 0: no shares
}

// Read returns the form that the environment selects.
func Read(lookup func(string) (string, bool), now time.Time) (Form, error) {
	f := Form{Seed: uint64(now.Unix() / int64(24*time.Hour/time.Second))}
	if text, _ := lookup(SeedVariable); text != "" && text != "0" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return f, fmt.Errorf("%s is %q: it has to be a whole number", SeedVariable, text)
		}
		f.Seed = seed
	}
	text, _ := lookup(Variable)
	switch text {
	case "", "0":
		return f, nil
	case "all":
		f.Long = true
		return f, nil
	}
	share, of, _ := strings.Cut(text, "/")
	var errShare, errOf error
	f.share, errShare = strconv.Atoi(share)
	f.of, errOf = strconv.Atoi(of)
	if errShare != nil || errOf != nil || f.share < 1 || f.share > f.of {
		return Form{}, fmt.Errorf("%s is %q: it has to be \"all\", or a share such as \"3/40\"", Variable, text)
	}
	return f, nil
}

// ForTest returns the form that the environment of a test asks for.
func ForTest(t testing.TB) Form {
	t.Helper()
	form, err := Read(os.LookupEnv, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// Shared reports whether only a share of the long form's cases is to be run.
func (f Form) Shared() bool { return f.of > 0 }

// Takes reports whether the share includes the i-th case. Without shares every case is included.
func (f Form) Takes(i int) bool { return f.of == 0 || i%f.of == f.share-1 }

// Picks reports whether the share includes the i-th of n tests that can't be divided. Each share includes one of them,
// in rotation; without shares all are included.
func (f Form) Picks(i, n int) bool { return f.of == 0 || (f.share-1)%n == i }

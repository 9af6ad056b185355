package tally

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInvalidWith(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	old, early := now.Add(-25*time.Hour), now.Add(-KeepUnmapped)
	tests := []struct {
		name    string
		there   map[string]time.Time
		checked map[string]bool
		want    map[string]time.Time // nil: no change
	}{
		{"nothing", nil, nil, nil},
		{"a valid one", nil, map[string]bool{"a": true}, nil},
		{"an invalid one", nil, map[string]bool{"a": false}, map[string]time.Time{"a": now}},
		{"the same again", map[string]time.Time{"a": now.Add(-time.Hour)}, map[string]bool{"a": false}, nil},
		{"a day later", map[string]time.Time{"a": old, "b": old}, map[string]bool{"a": false},
			map[string]time.Time{"a": now, "b": old}},
		{"valid again", map[string]time.Time{"a": old, "b": old}, map[string]bool{"a": true},
			map[string]time.Time{"b": old}},
		{"not seen for long", map[string]time.Time{"a": early, "b": old}, map[string]bool{"c": true},
			map[string]time.Time{"b": old}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Invalid{Version: 1, Addresses: tt.there}.With(tt.checked, now)
			if tt.want == nil {
				if got != nil {
					t.Errorf("changed to %+v", got)
				}
				return
			}
			if diff := cmp.Diff(&Invalid{Version: 1, Addresses: tt.want}, got); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

// Beyond the bound the earliest are dropped.
func TestInvalidIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	d := Invalid{Addresses: map[string]time.Time{}}
	for n := range maxInvalid {
		d.Addresses[fmt.Sprint(n)] = now.Add(-time.Duration(n+1) * time.Second)
	}
	got := d.With(map[string]bool{"x": false, "y": false}, now)
	if got == nil || len(got.Addresses) != maxInvalid {
		t.Fatalf("%d addresses", len(got.Addresses))
	}
	for name, want := range map[string]bool{"x": true, "y": true, "0": true, fmt.Sprint(maxInvalid - 1): false,
		fmt.Sprint(maxInvalid - 2): false} {
		if _, there := got.Addresses[name]; there != want {
			t.Errorf("address %s is there: %t", name, there)
		}
	}
}

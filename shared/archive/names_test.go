package archive

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestBatchNames(t *testing.T) {
	const folder = "2026/11/28/run"
	var names []string
	for _, seq := range []int{1, 2, 99_998, 99_999, 100_000, 100_001, 999_999} {
		name := BatchName(folder, seq)
		if got, ok := BatchNumber(name); got != seq || !ok {
			t.Errorf("%s has the number %d, %v", name, got, ok)
		}
		names = append(names, name)
	}
	if !slices.IsSorted(names) {
		t.Errorf("the order of the names is not that of the numbers: %v", names)
	}
	s := testStore(t)
	for name, want := range map[string]int{"00001-b": 1, "00001-z": 1, "00001-zzzb": 1, "a100000-c": 100_000, "0001": 0,
		"a00001x": 0, "b100000": 0,
		"00001-a": 0, "00001-bb": 0, "100000": 0} {
		got, ok := BatchNumber(folder + "/" + name + ".ndjson")
		if got != want || ok != (want > 0) {
			t.Errorf("%s has the number %d, %v; want %d", name, got, ok, want)
		}
		if _, err := s.Batches().FromURI(s.Batches().URI(folder + "/" + name + ".ndjson")); (err == nil) != ok {
			t.Errorf("the event of %s: %v", name, err)
		}
	}
}

// However often a batch, or an item that is only kept, comes with other bytes: there is a name for them.
func TestNamesBesideTheFirst(t *testing.T) {
	s, folder := testStore(t), "2026/11/28/names-"+strings.ToLower(rand.Text())
	seen := map[string]bool{}
	for i := range 30 {
		for range 2 {
			name, err := s.Batches().Write(t.Context(), folder, 1, fmt.Appendf(nil, "{%d}\n", i), 1)
			if err != nil {
				t.Fatalf("batch %d: %v", i, err)
			}
			seen[name] = true
		}
	}
	if len(seen) != 30 {
		t.Errorf("%d names for 30 batches", len(seen))
	}
	for _, size := range []int{10, 3 * s.block} {
		seen := map[string]bool{}
		for i := range 5 {
			data := bytes.Repeat([]byte{byte(i)}, size)
			for range 2 {
				name, sha, n, err := s.Media().KeepRaw(t.Context(), fmt.Sprintf("%s/kept-%d", folder, size),
					bytes.NewReader(data))
				if err != nil || n != int64(size) {
					t.Fatalf("%d bytes, reading %d: %d, %v", size, i, n, err)
				}
				seen[name+sha] = true
			}
		}
		if len(seen) != 5 {
			t.Errorf("%d names for 5 readings", len(seen))
		}
	}
}

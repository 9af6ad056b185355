package main

import (
	"path/filepath"
	"testing"
)

// TestSampleDayIsKept: a later start with the same folder has the day of the first one, whatever its flags are.
func TestSampleDayIsKept(t *testing.T) {
	dir := t.TempDir()
	var sizes []int
	for _, texts := range []int{3, 0} {
		day, err := (&world{options: options{storage: dir, texts: texts}}).sampleDay()
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(day.Items))
	}
	if sizes[1] != sizes[0] {
		t.Errorf("items of the two starts: %v", sizes)
	}
	if saved, err := readDay(filepath.Join(dir, sampleFile)); err != nil || saved.Texts != 3 {
		t.Errorf("kept: %+v, %v", saved, err)
	}
}

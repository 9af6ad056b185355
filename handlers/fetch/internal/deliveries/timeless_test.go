package deliveries

import (
	"strconv"
	"testing"
	"time"

	"o2archiver/shared/arrival"
)

// timelessKey returns the key that former versions had for a file without a time.
func timelessKey(path string, size int) string {
	return shortHash(path + "\x00" + strconv.Itoa(size) + "\x00" + "1970-01-01T00:00:00Z")
}

// A file without a time of change has the key that it had when such files had the time 1970: what was seen, is half
// copied, or was read is not planned again.
func TestFilesWithoutATime(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		half, seen, read, past := storedZIP(12*mebibyte), makeZIP("s", 1), makeZIP("r", 1), makeZIP("p", 1)
		former := time.Unix(0, 0).UTC()
		w.shelf.put(nameOf(1), half, former)
		w.shelf.put(nameOf(2), read, former)
		// A former version planned them after the rule of two listings, and then copied a part of the first one.
		s := State{Began: start, Newest: start, Past: 1, Seen: []Seen{
			{Key: timelessKey(nameOf(1), len(half)), Since: start.Add(-time.Hour)},
			{Key: timelessKey(nameOf(2), len(read)), Since: start.Add(-time.Hour)}}}
		p := Past{Keys: digests(nil).with([]string{timelessKey(nameOf(4), len(past))})}
		if _, err := w.Store.Checkpoints().Put(t.Context(), StateName, s, "", nil); err != nil {
			t.Fatal(err)
		}
		name := w.rules.form().past
		if _, err := w.Store.Checkpoints().PutLarge(t.Context(), name, p, maxState, "", nil); err != nil {
			t.Fatal(err)
		}
		w.shelf.hangs = func(path string) bool { return path == nameOf(1) && w.shelf.sent > 9*mebibyte }
		if res, _ := w.try(t.Context(), w.intake(w.Store)); res.Read != 1 || res.Open != 1 {
			t.Fatalf("%+v", res)
		}
		w.shelf.hangs = nil
		s = w.state()
		if s.Open[0].Key != timelessKey(nameOf(1), len(half)) || s.Open[0].partSize() == 0 {
			t.Fatalf("%+v", s.Open)
		}
		s.Seen = []Seen{{Key: timelessKey(nameOf(3), len(seen)), Since: w.clock.Now().Add(-time.Hour)}}
		if _, err := w.Store.Checkpoints().Put(t.Context(), StateName, s, "*", nil); err != nil {
			t.Fatal(err)
		}

		for i, data := range [][]byte{half, read, seen, past} {
			w.shelf.put(nameOf(i+1), data, time.Time{})
		}
		opened, sent := len(w.shelf.opens), w.shelf.sent
		res := w.run()
		if res.Listed.Planned != 1 || res.Listed.Waiting != 0 || res.Read != 2 || res.Same+res.Others+res.Open != 0 {
			t.Errorf("%+v", res)
		}
		if n := len(w.shelf.opens) - opened; n != 2 || w.shelf.sent-sent > 9*mebibyte {
			t.Errorf("%d files were opened, %d MiB read", n, (w.shelf.sent-sent)/mebibyte)
		}
		if w.outcomes() != "complete complete complete" || w.events("fetch.deliveryReplaced") != 0 {
			t.Error(w.outcomes())
		}
		if res := w.run(); res.Listed.Planned+res.Listed.Waiting+res.Read+res.Same != 0 {
			t.Errorf("once more: %+v", res)
		}
	})
}

// A file without a time has to be listed twice, a minute apart, with the same size.
func TestFileWithoutATimeIsListedTwice(t *testing.T) {
	t.Parallel()
	var s State
	rules, now := Rules{StableAfter: time.Minute}, start
	plan := func(size int64) Listed {
		return s.Plan(rules.withKeys([]arrival.File{{Path: nameOf(1), Size: size}}), rules, now)
	}
	for i, step := range []struct {
		size    int64
		later   time.Duration
		planned int
	}{{5, 0, 0}, {5, time.Second, 0}, {6, time.Hour, 0}, {6, time.Second, 0}, {6, time.Minute, 1}, {6, time.Hour, 0}} {
		now = now.Add(step.later)
		if l := plan(step.size); l.Planned != step.planned {
			t.Errorf("step %d: %+v", i, l)
		}
	}
}

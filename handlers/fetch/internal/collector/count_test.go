package collector

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// What fails is the count alone: the items are there, and every day is read.
func TestCountIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.daysBack(5)
	w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Status: 500, Times: 1 << 20})
	res, err := w.try(w.collector, "")
	if err == nil || res.Open != 5 || !res.Watermark.Equal(w.collector.from) {
		t.Errorf("%+v, %v: without the count no day is closed", res, err)
	}
	if diff := cmp.Diff(ids, w.ids()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	before := w.site.Calls()[telemessagetest.Items]
	w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Times: 1 << 20})
	if res := w.run(); res.Slices != 5 || res.Open != 0 {
		t.Errorf("the count is back: %+v", res)
	}
	if again := w.site.Calls()[telemessagetest.Items] - before; again != 0 {
		t.Errorf("%d pages were read again for their count", again)
	}
	w.balanced()
}

// A count that can't be had for good is not known after three runs, which is told, and the window closes.
func TestCountIsAwayForGood(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]telemessagetest.Fault{
		"status 500": {Status: 500}, "status 400": {Status: 400}, "no number": {Status: 200, Body: `{"total":"many"}`},
		"HTML": {HTML: true}, "cut off": {Cut: 3}, "a proxy's 404": {Status: 404, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.many("m", 3)
			fault.Times = 1 << 20
			w.site.Fail(telemessagetest.Count, 1, fault)
			for try := 1; try < countTries; try++ {
				if res, err := w.try(w.collector, ""); err == nil || res.Open != 1 {
					t.Errorf("try %d: %+v, %v", try, res, err)
				}
				if c := w.checkpoint(); c.Open[0].Counts != try {
					t.Errorf("try %d is counted as %d", try, c.Open[0].Counts)
				}
			}
			if res := w.run(); res.Slices != 1 || res.Open != 0 {
				t.Errorf("the last try: %+v", res)
			}
			if !w.Log.Has(slog.LevelError, `"event":"fetch.countUnknown"`) {
				t.Errorf("it is not told:\n%s", w.Log)
			}
			if m := w.one().manifest; m.SourceTotal != nil || m.Received != 3 {
				t.Errorf("manifest %+v", m)
			}
			w.balanced()
		})
	}
}

// A count in which the invocation ends counts as a try: it must not end in the count of one window for ever.
func TestCountThatTakesTheInvocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many("m", 3)
	w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Status: 500, Times: 1})
	if _, err := w.try(w.collector, ""); err == nil {
		t.Fatal("the count was had")
	}
	state := w.checkpoint()
	state.Open[0].Counts = countTries // the process died in the last one
	if _, err := w.Store.Checkpoints().Put(t.Context(), schedule.CheckpointName, state, "*", nil); err != nil {
		t.Fatal(err)
	}
	calls := w.site.Calls()[telemessagetest.Count]
	if res := w.run(); res.Slices != 1 || w.site.Calls()[telemessagetest.Count] != calls {
		t.Errorf("%+v, %d more counts", res, w.site.Calls()[telemessagetest.Count]-calls)
	}
	if !w.Log.Has(slog.LevelError, "received no count") {
		t.Errorf("it is not told:\n%s", w.Log)
	}
}

func TestSourceTotal(t *testing.T) {
	t.Parallel()
	t.Run("not offered", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(o *telemessagetest.Options) { o.NoCount = true })
		w.many("m", 3)
		w.run()
		if m := w.one().manifest; m.SourceTotal != nil {
			t.Errorf("the source's total is %d, want none", *m.SourceTotal)
		}
		if w.Log.Has(slog.LevelError, "") {
			t.Errorf("that is no error:\n%s", w.Log)
		}
	})
	t.Run("another number", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.many("m", 3)
		w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Status: 200, Body: `{"total":5}`})
		w.run()
		if m := w.one().manifest; m.SourceTotal == nil || *m.SourceTotal != 5 || m.Received != 3 {
			t.Errorf("manifest %+v, want what the site said beside what it sent", m)
		}
		if !w.Log.Has(slog.LevelError, "differs from what it sent") {
			t.Error("the log does not tell")
		}
	})
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.many("m", 3)
		w.site.Fail(telemessagetest.Count, 1, telemessagetest.Fault{Status: 500})
		if _, err := w.try(w.collector, ""); err == nil {
			t.Error("a run without the site's count is finished")
		}
		w.run()
		if diff := cmp.Diff(numbered("m", 3), w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		w.balanced()
	})
}

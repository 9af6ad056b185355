package collector

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/contract"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

// A source that was written from docs/source-contract.md alone is archived whole: all types of items over several
// pages, an attachment within its item and one by its address, a long SMS whose pieces are on two pages, after answers
// of 429 and 503.
func TestSourceWrittenFromTheContract(t *testing.T) {
	w := newWorld(t)
	w.clock.Add(time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC).Sub(w.clock.Now()))
	base := contract.ForTest(t, "--page", "3", "--busy", "2")
	site, err := client.New(base, contract.Authorize, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.collector.site = site
	if res := w.run(); res.Slices != 1 || res.Received != 8 || res.Open != 0 {
		t.Errorf("%+v", res)
	}
	run := w.one()
	if m := run.manifest; m == nil || m.SourceTotal == nil || *m.SourceTotal != 8 || m.Derived != 0 ||
		m.Incomplete != 0 {
		t.Errorf("manifest %+v", m)
	}
	var kinds []string
	for _, e := range run.entries() {
		r, err := telemessage.Parse(e)
		if err != nil {
			t.Errorf("an item can't be read: %v", err)
			continue
		}
		if err := record.Check(r); err != nil {
			t.Error(err)
		}
		if len(r.LeftOut)+len(r.Missing()) > 0 {
			t.Errorf("%s: left out %v, missing %v", r.Kind, r.LeftOut, r.Missing())
		}
		for _, a := range r.Attachments {
			if a.Gone != "" || a.Size == 0 {
				t.Errorf("%s: an attachment: %+v", r.Kind, a)
			}
		}
		if len(r.Pieces) == 2 {
			kinds = append(kinds, "in pieces")
		}
		kinds = append(kinds, string(r.Kind))
	}
	slices.Sort(kinds)
	want := []string{"CALL_AUDIO", "CALL_LOG", "MMS", "SMS", "SMS", "SMS", "SYSTEM", "in pieces"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

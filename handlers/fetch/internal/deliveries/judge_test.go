package deliveries

import (
	"archive/zip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/source/delivery/deliverytest"
)

// oneReport returns the report of the only ZIP that was read.
func (w *world) oneReport() Report {
	w.t.Helper()
	done := w.state().Done
	folders, err := w.Store.Batches().Runs(w.t.Context(), start.Format(dayForm))
	if err != nil || len(done) != 1 || len(folders) != 1 {
		w.t.Fatalf("%d ZIPs, runs %v, %v", len(done), folders, err)
	}
	return w.report(folders[0])
}

// message returns an entry of a ZIP that is a message.
func message(name string) [2]string {
	return [2]string{name, emlHead + "X-TELEMESSAGE-ArchiveMessageID: " + name + "\r\n\r\nx"}
}

// Only a count that is certain, and that of the messages, proves that a ZIP is complete.
func TestCountThatProves(t *testing.T) {
	proof := func(n int64) *int64 { return &n }
	differs := func(count string) []string {
		return []string{"the manifest counts " + count + " messages, and 1 is there"}
	}
	unclear := []string{"the manifest states a count that is no plain number"}
	for list, want := range map[string]struct {
		counted *int64
		reasons []string
	}{
		"Count: 1\r\na.eml":             {proof(1), nil},
		"Count: 1; a.eml":               {proof(1), nil},
		"Count: 1,000\r\na.eml":         {proof(1000), differs("1000")},
		"Count: 1 000; a.eml":           {proof(1000), differs("1000")},
		"Count: 1.0\r\na.eml":           {nil, unclear},
		"Count: 1 of 12\r\na.eml":       {nil, unclear},
		"Count: 1e3\r\na.eml":           {nil, unclear},
		"Count: 1\r\nCount: ?\r\na.eml": {nil, unclear},
		"Count: 1\r\nCount: 2\r\na.eml": {nil, []string{"the manifest states several counts"}},
		"a.eml":                         {nil, []string{"the manifest states no count"}},
		"Count: 1\r\na.eml, b.eml":      {proof(1), []string{"1 message is listed and not there"}},
	} {
		t.Run(list, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t)
				w.shelf.put(nameOf(1), deliverytest.ZIP(zip.Deflate, message("a.eml"), [2]string{"l.mf", list}), old)
				w.run()
				report := w.oneReport()
				if diff := cmp.Diff(want.reasons, report.Reasons); diff != "" {
					t.Errorf("reasons (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want.counted, report.Counted); diff != "" {
					t.Errorf("counted (-want +got):\n%s", diff)
				}
				if outcome := w.outcomes(); (outcome == Complete) != (want.reasons == nil) {
					t.Errorf("the outcome is %s", outcome)
				}
			})
		})
	}
}

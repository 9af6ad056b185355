package deliveries

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// domainsOf returns the different lists of domains in lines, each as one text.
func domainsOf(all []record.Entry) (found []string) {
	for _, e := range all {
		found = append(found, strings.Join(e.Mail.Domains, " "))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// The lines of a ZIP have the domains with which it was planned, whenever they are written.
func TestDomainsOfADelivery(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.rules.Domains = []string{"contoso.example", "contoso.com"}
		w.shelf.put(nameOf(1), sample(t, sampleDay), old)
		w.paused = func() bool { return true }
		w.run() // it is planned, and not read
		w.paused = nil
		w.rules.Domains = []string{"fabrikam.example"}
		if res := w.run(); res.Read != 1 {
			t.Errorf("%+v", res)
		}
		earlier := w.batches()
		if diff := cmp.Diff([]string{"contoso.example contoso.com"}, domainsOf(w.entries())); diff != "" {
			t.Errorf("of the first ZIP (-want +got):\n%s", diff)
		}
		w.shelf.put(nameOf(2), zipOf([2]string{"a.eml", conversation("c1", "", "x")}), old)
		w.run()
		if diff := cmp.Diff([]string{"fabrikam.example"}, domainsOf(w.entriesBut(earlier))); diff != "" {
			t.Errorf("of the second ZIP (-want +got):\n%s", diff)
		}
	})
}

// Messages of other archives have no domains: all of their addresses are real.
func TestDomainsOfAnImport(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newImports(t)
		w.rules.Domains = []string{"contoso.example"}
		w.shelf.put("export.zip", zipOf([2]string{"a.eml", conversation("c1", "", "x")}), old)
		w.run()
		if diff := cmp.Diff([]string{""}, domainsOf(w.entries())); diff != "" {
			t.Errorf("of an import (-want +got):\n%s", diff)
		}
	})
}

package export

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"o2archiver/shared/journal"
	"o2archiver/shared/usermap"
)

// mapped has messages whose From is the mapping's: they are proven with that version of it, and not with another.
func mapped(a *testArchive) {
	then, now := a.mapping("447700900123,jane@contoso.example\n"), a.mapping("447700900123,sam@contoso.example\n")
	r := a.line("m1", "who is meant")
	whole := a.named(r)
	a.write("run", func(j *journal.Journal) {
		outcome(j, 1, r, jane, journal.Imported)
		j.Record(journal.Record{Line: 1, Records: 1, Outcome: journal.Archived, Rendered: hexSum(whole),
			Named: "0=csv", Mapping: then.Version()})
	})
	o := a.options()
	o.Mapping = then
	if got := a.export(o); got.Messages != 1 || got.Unproven != 0 || got.Failed != 0 {
		a.t.Errorf("with the mapping of the import: %+v", got)
	}
	found := false
	err := filepath.WalkDir(a.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".eml") {
			text, _ := os.ReadFile(path)
			found = bytes.Equal(text, whole)
		}
		return err
	})
	if err != nil || !found {
		a.t.Errorf("the message is not the one that was imported: %v", err)
	}
	for name, table := range map[string]*usermap.Table{"another mapping": now, "none": nil} {
		a.dir = filepath.Join(a.t.TempDir(), "again")
		o.Mapping = table
		if got := a.export(o); got.Messages != 1 || got.Unproven != 1 || got.Failed != 0 {
			a.t.Errorf("with %s: %+v", name, got)
		}
	}
}

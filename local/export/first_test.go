package export

import (
	"bytes"
	"strings"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/usermap"
)

const firstBatch = "2026/11/22/run1/00001.ndjson"

// ofFirst notes a copy whose message was made of the record at a place.
func ofFirst(j *journal.Journal, line int, r *record.Record, mailbox string, o journal.Outcome, first record.Place) {
	j.Plan(line, mailbox)
	key := record.Key("", r.ID, mailbox)
	j.Copy(journal.Copy{Line: line, Key: key, Mailbox: mailbox, Outcome: o, First: &first, Differs: true})
}

// wants checks the export's result and its files.
func (a *testArchive) wants(o Options, result Result, files map[string]string) {
	a.t.Helper()
	got := a.export(o)
	got.Reasons = nil
	if diff := cmp.Diff(result, got); diff != "" {
		a.t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(files, a.files()); diff != "" {
		a.t.Errorf("files (-want +got):\n%s", diff)
	}
}

// firstRecords has lines whose copies were made of the record collected first, with its text and files, in another
// batch, in the same one, and named by the mapping.
func firstRecords(a *testArchive) {
	a.line("m0", "a line before it")
	first := a.line("m1", "collected first", noise(500, 1), noise(300, 2))
	table := a.mapping("447700900123,jane@contoso.example\n")
	named := a.line("m2", "collected first, named by the mapping")
	a.write("run1", func(j *journal.Journal) {
		outcome(j, 2, first, jane, journal.Imported)
		archived(j, 2, a.bytes(first, nil))
		outcome(j, 3, named, jane, journal.CopyFailed)
	})
	a.line("m1", "collected later", noise(400, 3))
	a.line("m2", "collected later, and longer")
	same := a.line("m3", "collected first in its batch")
	a.line("m3", "collected later in its batch")
	bare := func(x record.Attachment) string { return message.OverMailbox.Of(x) }
	a.write("run2", func(j *journal.Journal) {
		ofFirst(j, 1, first, ali, journal.Imported, record.Place{Batch: firstBatch, Line: 2})
		archived(j, 1, a.bytes(first, nil))
		ofFirst(j, 2, named, ali, journal.Imported, record.Place{Batch: firstBatch, Line: 3})
		j.Record(journal.Record{Line: 2, Records: 1, Outcome: journal.Archived, Rendered: hexSum(a.named(named)),
			Named: "0=csv", Mapping: table.Version()})
		outcome(j, 3, same, jane, journal.Imported)
		archived(j, 3, a.bytes(same, nil))
		ofFirst(j, 4, same, ali, journal.Imported, record.Place{Batch: "2026/11/22/run2/00001.ndjson", Line: 3})
		archived(j, 4, a.bytes(same, nil))
	})
	a.line("m1", "collected last")
	a.write("run3", func(j *journal.Journal) { // refused by the mailbox for its size
		c := journal.Copy{Line: 1, Key: record.Key("", first.ID, sam), Mailbox: sam, Outcome: journal.Oversize,
			Rendered: hexSum(a.bytes(first, bare)), First: &record.Place{Batch: firstBatch, Line: 2}}
		j.Plan(1, sam)
		j.Copy(c)
		archived(j, 1, a.bytes(first, nil))
	})
	o := a.options()
	o.Mapping = table
	a.wants(o, Result{Messages: 6, Mailboxes: 3}, map[string]string{
		"jane@contoso.example/" + nameOf(first): string(a.bytes(first, nil)),
		"jane@contoso.example/" + nameOf(same):  string(a.bytes(same, nil)),
		ali + "/" + nameOf(first):               string(a.bytes(first, nil)),
		ali + "/" + nameOf(named):               string(a.named(named)),
		ali + "/" + nameOf(same):                string(a.bytes(same, nil)),
		sam + "/" + nameOf(first):               string(a.bytes(first, bare)),
	})
}

// firstIsGone has copies of a record that is not where the journal says. No message of another record takes its place.
func firstIsGone(a *testArchive) {
	later := a.line("m1", "collected later")
	other := a.line("m2", "another message")
	a.write("run2", func(j *journal.Journal) {
		ofFirst(j, 1, later, jane, journal.Imported, record.Place{Batch: firstBatch, Line: 1})
		archived(j, 1, a.bytes(later, nil))
		ofFirst(j, 1, later, ali, journal.Imported, record.Place{Batch: "2026/11/22/run2/00001.ndjson", Line: 7})
		outcome(j, 2, other, jane, journal.Imported)
		archived(j, 2, a.bytes(other, nil))
	})
	a.wants(a.options(), Result{Messages: 1, Mailboxes: 1, Failed: 2},
		map[string]string{"jane@contoso.example/" + nameOf(other): string(a.bytes(other, nil))})
}

// copiesOfTwo has lines of which one copy was made of the first record and another one of the line's own, in either
// order: the journal's hash is that of the latest, and the other one is exported with what the journal has of it.
func copiesOfTwo(a *testArchive) {
	first, alone := a.line("m1", "collected first"), a.line("m2", "collected first, and in no mailbox")
	a.write("run1", func(j *journal.Journal) {
		outcome(j, 1, first, sam, journal.Imported)
		archived(j, 1, a.bytes(first, nil))
		outcome(j, 2, alone, sam, journal.CopyFailed)
	})
	own, ownOf2 := a.line("m1", "collected later"), a.line("m2", "collected later, too")
	a.write("run2", func(j *journal.Journal) {
		ofFirst(j, 1, first, jane, journal.Imported, record.Place{Batch: firstBatch, Line: 1})
		outcome(j, 1, own, ali, journal.Imported)
		archived(j, 1, a.bytes(own, nil))
		outcome(j, 2, ownOf2, ali, journal.Imported)
		ofFirst(j, 2, alone, jane, journal.Imported, record.Place{Batch: firstBatch, Line: 2})
		archived(j, 2, a.bytes(alone, nil))
	})
	a.wants(a.options(), Result{Messages: 5, Mailboxes: 3, Unproven: 1}, map[string]string{
		sam + "/" + nameOf(first):               string(a.bytes(first, nil)),
		"jane@contoso.example/" + nameOf(first): string(a.bytes(first, nil)),
		ali + "/" + nameOf(own):                 string(a.bytes(own, nil)),
		ali + "/" + nameOf(ownOf2):              string(a.bytes(ownOf2, nil)),
		"jane@contoso.example/" + nameOf(alone): string(a.bytes(alone, nil)),
	})
}

// mapping is a mapping file of the administrator's.
func (a *testArchive) mapping(rows string) *usermap.Table {
	a.t.Helper()
	table, err := usermap.ParseCSV(strings.NewReader(rows), "GB")
	if err != nil {
		a.t.Fatal(err)
	}
	return table
}

// named is the message of a record whose sender the mapping names jane@contoso.example.
func (a *testArchive) named(r *record.Record) []byte {
	a.t.Helper()
	m, err := message.Build(r, message.Options{Region: "GB", Addresses: map[int]string{0: "jane@contoso.example"}})
	if err != nil {
		a.t.Fatal(err)
	}
	var whole bytes.Buffer
	if err := m.Write(&whole, nil); err != nil {
		a.t.Fatal(err)
	}
	return whole.Bytes()
}

package report

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/report/reporttest"
	"o2archiver/shared/usermap"
)

// The mailboxes, by their directory ids.
const (
	janeBox = "1d5e7a3c-0000-4000-8000-000000000001"
	aliBox  = "1d5e7a3c-0000-4000-8000-000000000002"
	samBox  = "1d5e7a3c-0000-4000-8000-000000000003"
)

// copies is what ImportedCopies yields for an archive.
type copies struct {
	Messages map[string]string // by mailbox and message id
	Unproven int               // of the messages
	Failed   map[string]string // reasons by batch and line
}

// inMailbox returns the key in copies.Messages of a record's message.
func inMailbox(mailbox string, r *record.Record) string {
	return mailbox + " " + record.MessageKey("", r.ID)
}

// noise returns the content of an attachment.
func noise(n int, with byte) []byte { return bytes.Repeat([]byte{with}, n) }

func readCopies(t *testing.T, a *reporttest.Archive, form Form) copies {
	t.Helper()
	got := copies{Messages: map[string]string{}, Failed: map[string]string{}}
	for c, err := range ImportedCopies(t.Context(), a.Store, form) {
		if err != nil {
			t.Fatal(err)
		}
		err := c.Err
		var text strings.Builder
		if err == nil {
			var m *Message
			if m, err = c.Message(); err == nil {
				var sum string
				sum, err = m.Write(&text)
				if err == nil && (sum != reporttest.HexSum([]byte(text.String())) || int64(text.Len()) != m.Size()) {
					t.Errorf("line %d of %s: the hash or the size of the message is wrong", c.Line, c.Batch)
				}
				if m.SHA256 == "" && err == nil {
					got.Unproven++
				}
			}
		}
		if err != nil {
			got.Failed[c.Batch+" "+strconv.Itoa(c.Line)] = err.Error()
			continue
		}
		got.Messages[inMailbox(c.Mailbox, c.Record)] = text.String()
	}
	return got
}

// wantCopies compares what ImportedCopies yields.
func wantCopies(t *testing.T, a *reporttest.Archive, form Form, want copies) {
	t.Helper()
	if diff := cmp.Diff(want, readCopies(t, a, form), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
}

var testForm = Form{Region: "GB", MaxItem: 1000}

func TestImportedCopiesAreThoseInMailboxes(t *testing.T) {
	a := reporttest.New(t)
	one, two, three := a.Line("m1", "to both", noise(500, 1)), a.Line("m2", "to one, again to the other"), a.Line("m3",
		"nowhere")
	unproven := a.Line("m4", "taken over from an importer that died before it wrote the hash")
	a.Write("run1", func(j *journal.Journal) {
		reporttest.Copy(j, 1, one, janeBox, journal.Imported)
		reporttest.Copy(j, 1, one, aliBox, journal.Imported)
		reporttest.Archived(j, 1, a.Message(one, nil, nil))
		reporttest.Copy(j, 2, two, janeBox, journal.Imported)
		reporttest.Copy(j, 2, two, aliBox, journal.Duplicate)
		reporttest.Archived(j, 2, a.Message(two, nil, nil))
		reporttest.Copy(j, 3, three, janeBox, journal.CopyFailed)
		j.Plan(3, aliBox)
		reporttest.Copy(j, 4, unproven, janeBox, journal.Imported)
		reporttest.Archived(j, 4, nil)
	})
	wantCopies(t, a, testForm, copies{Unproven: 1, Messages: map[string]string{
		inMailbox(janeBox, one):      string(a.Message(one, nil, nil)),
		inMailbox(aliBox, one):       string(a.Message(one, nil, nil)),
		inMailbox(janeBox, two):      string(a.Message(two, nil, nil)),
		inMailbox(janeBox, unproven): string(a.Message(unproven, nil, nil)),
	}})
}

func withoutAttachments(x record.Attachment) string { return message.OverMailbox.Of(x) }

func TestOversizeCopies(t *testing.T) {
	a := reporttest.New(t)
	limited := a.Line("m1", "the first and the last fit into 1,000 bytes", noise(600, 1), noise(500, 2), noise(400, 3))
	refused := a.Line("m2", "the mailbox refuses it", noise(300, 4))
	proven := a.Line("m3", "the mailbox refuses what the limit leaves", noise(600, 5), noise(500, 6))
	cloud := a.Line("m4", "the cloud takes one of them", noise(700, 7), noise(200, 8))
	large := func(x record.Attachment) string {
		if x.Size == 700 {
			return message.OverCloud.Of(x)
		}
		return ""
	}
	rule := func(x record.Attachment) string {
		if x.Size == 500 {
			return message.OverLimit.Of(x)
		}
		return ""
	}
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, limited, janeBox, journal.Oversize)
		reporttest.Archived(j, 1, a.Message(limited, rule, nil))
		reporttest.Copy(j, 2, refused, janeBox, journal.Oversize)
		reporttest.Copy(j, 2, refused, aliBox, journal.Imported)
		reporttest.Archived(j, 2, a.Message(refused, nil, nil))
		j.Plan(3, janeBox)
		j.Copy(journal.Copy{Line: 3, Key: record.Key("", proven.ID, janeBox), Mailbox: janeBox,
			Outcome:  journal.Oversize,
			Rendered: reporttest.HexSum(a.Message(proven, withoutAttachments, nil))})
		reporttest.Archived(j, 3, nil)
		reporttest.Copy(j, 4, cloud, janeBox, journal.Oversize)
		reporttest.Archived(j, 4, a.Message(cloud, large, nil))
	})
	form := testForm
	form.MaxFile = 650
	wantCopies(t, a, form, copies{Unproven: 1, Messages: map[string]string{
		inMailbox(janeBox, limited): string(a.Message(limited, rule, nil)),
		inMailbox(janeBox, refused): string(a.Message(refused, withoutAttachments, nil)),
		inMailbox(janeBox, proven):  string(a.Message(proven, withoutAttachments, nil)),
		inMailbox(janeBox, cloud):   string(a.Message(cloud, large, nil)),
		inMailbox(aliBox, refused):  string(a.Message(refused, nil, nil)),
	}})
	// With another limit neither oversize copy is the one that was imported; an imported one depends on no limit.
	for limit, failed := range map[int64]int{1_000_000: 1, 100: 3} {
		form.MaxItem = limit
		if got := readCopies(t, a, form); len(got.Messages) != 5-failed || len(got.Failed) != failed {
			t.Errorf("with a limit of %d: %d messages, failed %v", limit, len(got.Messages), got.Failed)
		}
	}
}

func TestCopiesWithoutTheirMessage(t *testing.T) {
	a := reporttest.New(t)
	differs, lost := a.Line("m1", "SECRET text"), a.Line("m2", "SECRET too", noise(500, 1))
	foreign, good := a.Line("m3", "SECRET"), a.Line("m4", "good")
	never := reporttest.HexSum(noise(500, 2)) // of an attachment that was never stored
	a.Lines[1] = bytes.ReplaceAll(a.Lines[1], []byte(reporttest.HexSum(noise(500, 1))), []byte(never))
	a.Lines = append(a.Lines, []byte(`{"v":1,"items":"SECRET"}`), reporttest.Item(t, `{"messageId":"SECRET"}`))
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, differs, janeBox, journal.Imported)
		reporttest.Archived(j, 1, []byte("another message"))
		reporttest.Copy(j, 2, lost, janeBox, journal.Imported)
		reporttest.Archived(j, 2, a.Message(lost, nil, nil))
		reporttest.Copy(j, 3, differs, janeBox, journal.Imported) // on another's line
		reporttest.Archived(j, 3, a.Message(foreign, nil, nil))
		reporttest.Copy(j, 4, good, janeBox, journal.Imported)
		reporttest.Archived(j, 4, a.Message(good, nil, nil))
		reporttest.Copy(j, 5, good, janeBox, journal.Imported)
		reporttest.Copy(j, 6, good, janeBox, journal.Imported)
		reporttest.Copy(j, 9, good, aliBox, journal.Imported)
	})
	const batch = "2026/11/22/run/00001.ndjson "
	wantCopies(t, a, testForm,
		copies{Messages: map[string]string{inMailbox(janeBox, good): string(a.Message(good, nil, nil))},
			Failed: map[string]string{
				batch + "1": ErrDiffers.Error(),
				batch + "2": "an attachment is no longer in the archive's storage",
				batch + "3": errForeign.Error(),
				batch + "5": "the line of the batch is not the JSON of an entry",
				batch + "6": "the item can't be read: field messageTime: is missing or not in the form of RFC 3339",
				batch + "9": errNoLine.Error(),
			}})
}

const firstBatch = "2026/11/22/run1/00001.ndjson"

// copyOfFirst adds a copy whose message was made from the record at a place.
func copyOfFirst(j *journal.Journal, line int, r *record.Record, mailbox string, first record.Place) {
	j.Plan(line, mailbox)
	j.Copy(journal.Copy{Line: line, Key: record.Key("", r.ID, mailbox), Mailbox: mailbox, Outcome: journal.Imported,
		First: &first, Differs: true})
}

// mappingOf returns a mapping file of the administrator's.
func mappingOf(t *testing.T, rows string) *usermap.Table {
	t.Helper()
	table, err := usermap.ParseCSV(strings.NewReader(rows), "GB")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// mapped are the addresses of a message whose sender has that of the mapping.
var mapped = map[int]string{0: "jane@contoso.example"}

// TestCopiesOfFirstRecords has lines whose copies were made from the record collected first, with its text and
// attachments, in another batch, in the same one, and with an address of the mapping.
func TestCopiesOfFirstRecords(t *testing.T) {
	a := reporttest.New(t)
	a.Line("m0", "a line before it")
	first := a.Line("m1", "collected first", noise(500, 1), noise(300, 2))
	table := mappingOf(t, "447700900123,jane@contoso.example\n")
	named := a.Line("m2", "collected first, named by the mapping")
	a.Write("run1", func(j *journal.Journal) {
		reporttest.Copy(j, 2, first, janeBox, journal.Imported)
		reporttest.Archived(j, 2, a.Message(first, nil, nil))
		reporttest.Copy(j, 3, named, janeBox, journal.CopyFailed)
	})
	a.Line("m1", "collected later", noise(400, 3))
	a.Line("m2", "collected later, and longer")
	same := a.Line("m3", "collected first in its batch")
	a.Line("m3", "collected later in its batch")
	a.Write("run2", func(j *journal.Journal) {
		copyOfFirst(j, 1, first, aliBox, record.Place{Batch: firstBatch, Line: 2})
		reporttest.Archived(j, 1, a.Message(first, nil, nil))
		copyOfFirst(j, 2, named, aliBox, record.Place{Batch: firstBatch, Line: 3})
		j.Record(journal.Record{Line: 2, Records: 1, Outcome: journal.Archived, Named: "0=csv",
			Mapping:  table.Version(),
			Rendered: reporttest.HexSum(a.Message(named, nil, mapped))})
		reporttest.Copy(j, 3, same, janeBox, journal.Imported)
		reporttest.Archived(j, 3, a.Message(same, nil, nil))
		copyOfFirst(j, 4, same, aliBox, record.Place{Batch: "2026/11/22/run2/00001.ndjson", Line: 3})
		reporttest.Archived(j, 4, a.Message(same, nil, nil))
	})
	a.Line("m1", "collected last")
	a.Write("run3", func(j *journal.Journal) { // refused by the mailbox for its size
		j.Plan(1, samBox)
		j.Copy(journal.Copy{Line: 1, Key: record.Key("", first.ID, samBox), Mailbox: samBox, Outcome: journal.Oversize,
			Rendered: reporttest.HexSum(a.Message(first, withoutAttachments, nil)),
			First:    &record.Place{Batch: firstBatch, Line: 2}})
		reporttest.Archived(j, 1, a.Message(first, nil, nil))
	})
	form := testForm
	form.Mapping = table
	wantCopies(t, a, form, copies{Messages: map[string]string{
		inMailbox(janeBox, first): string(a.Message(first, nil, nil)),
		inMailbox(janeBox, same):  string(a.Message(same, nil, nil)),
		inMailbox(aliBox, first):  string(a.Message(first, nil, nil)),
		inMailbox(aliBox, named):  string(a.Message(named, nil, mapped)),
		inMailbox(aliBox, same):   string(a.Message(same, nil, nil)),
		inMailbox(samBox, first):  string(a.Message(first, withoutAttachments, nil)),
	}})
}

// No message of another record takes the place of a record that is not where the journal says.
func TestCopiesOfAFirstRecordThatIsGone(t *testing.T) {
	a := reporttest.New(t)
	later, other := a.Line("m1", "collected later"), a.Line("m2", "another message")
	a.Write("run2", func(j *journal.Journal) {
		copyOfFirst(j, 1, later, janeBox, record.Place{Batch: firstBatch, Line: 1})
		reporttest.Archived(j, 1, a.Message(later, nil, nil))
		copyOfFirst(j, 2, other, aliBox, record.Place{Batch: "2026/11/22/run2/00001.ndjson", Line: 7})
		reporttest.Copy(j, 2, other, janeBox, journal.Imported)
		reporttest.Archived(j, 2, a.Message(other, nil, nil))
	})
	const batch = "2026/11/22/run2/00001.ndjson "
	wantCopies(t, a, testForm,
		copies{Messages: map[string]string{inMailbox(janeBox, other): string(a.Message(other, nil, nil))},
			Failed: map[string]string{batch + "1": errNoFirst.Error(), batch + "2": errNoFirst.Error()}})
}

// TestCopiesOfTwoRecords has lines of which one copy was made from the first record and another one from the line's
// own, in either order: the journal's hash is that of the latest, and the other one has what the journal has of it.
func TestCopiesOfTwoRecords(t *testing.T) {
	a := reporttest.New(t)
	first, alone := a.Line("m1", "collected first"), a.Line("m2", "collected first, and in no mailbox")
	a.Write("run1", func(j *journal.Journal) {
		reporttest.Copy(j, 1, first, samBox, journal.Imported)
		reporttest.Archived(j, 1, a.Message(first, nil, nil))
		reporttest.Copy(j, 2, alone, samBox, journal.CopyFailed)
	})
	own, ownOf2 := a.Line("m1", "collected later"), a.Line("m2", "collected later, too")
	a.Write("run2", func(j *journal.Journal) {
		copyOfFirst(j, 1, first, janeBox, record.Place{Batch: firstBatch, Line: 1})
		reporttest.Copy(j, 1, own, aliBox, journal.Imported)
		reporttest.Archived(j, 1, a.Message(own, nil, nil))
		reporttest.Copy(j, 2, ownOf2, aliBox, journal.Imported)
		copyOfFirst(j, 2, alone, janeBox, record.Place{Batch: firstBatch, Line: 2})
		reporttest.Archived(j, 2, a.Message(alone, nil, nil))
	})
	wantCopies(t, a, testForm, copies{Unproven: 1, Messages: map[string]string{
		inMailbox(samBox, first):  string(a.Message(first, nil, nil)),
		inMailbox(janeBox, first): string(a.Message(first, nil, nil)),
		inMailbox(aliBox, own):    string(a.Message(own, nil, nil)),
		inMailbox(aliBox, ownOf2): string(a.Message(ownOf2, nil, nil)),
		inMailbox(janeBox, alone): string(a.Message(alone, nil, nil)),
	}})
}

// A message whose From is the mapping's is proven with that version of the mapping, and not with another.
func TestCopiesNamedByTheMapping(t *testing.T) {
	a := reporttest.New(t)
	then, now := mappingOf(t, "447700900123,jane@contoso.example\n"), mappingOf(t, "447700900123,sam@contoso.example\n")
	r := a.Line("m1", "who is meant")
	whole := string(a.Message(r, nil, mapped))
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, r, janeBox, journal.Imported)
		j.Record(journal.Record{Line: 1, Records: 1, Outcome: journal.Archived,
			Rendered: reporttest.HexSum([]byte(whole)),
			Named:    "0=csv", Mapping: then.Version()})
	})
	form := testForm
	form.Mapping = then
	wantCopies(t, a, form, copies{Messages: map[string]string{inMailbox(janeBox, r): whole}})
	for name, table := range map[string]*usermap.Table{"another mapping": now, "none": nil} {
		form.Mapping = table
		if got := readCopies(t, a, form); len(got.Messages) != 1 || got.Unproven != 1 || len(got.Failed) != 0 {
			t.Errorf("with %s: %d messages, %d unproven, failed %v", name, len(got.Messages), got.Unproven, got.Failed)
		}
	}
}

func TestImportedCopiesEnds(t *testing.T) {
	a := reporttest.New(t)
	one, two := a.Line("m1", "one"), a.Line("m2", "two")
	a.Write("run", func(j *journal.Journal) {
		reporttest.Copy(j, 1, one, janeBox, journal.Imported)
		reporttest.Copy(j, 2, two, janeBox, journal.Imported)
	})
	for c, err := range ImportedCopies(t.Context(), a.Store, testForm) {
		if err != nil || c.Line != 1 {
			t.Errorf("after the end of the loop: %v, %v", c, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for c, err := range ImportedCopies(ctx, a.Store, testForm) {
		if c != nil || !errors.Is(err, context.Canceled) || !IsEnvironmental(ctx, err) {
			t.Errorf("interrupted: %v, %v", c, err)
		}
	}
	if IsEnvironmental(t.Context(), nil) || !IsEnvironmental(t.Context(), archive.ErrDenied) ||
		IsEnvironmental(t.Context(), ErrDiffers) {
		t.Error("environmental errors are not told from others")
	}
}

package chaos

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/sample"
	"o2archiver/shared/journal"
	"o2archiver/shared/mailbox/mailboxtest"
)

// day is what a site holds, and what an archive must hold of it in the end.
type day struct {
	from      time.Time
	pageLimit int
	items     []item
	contents  []sample.Content
	users     []mailboxtest.User
	mapping   []byte
	inDoubt   time.Duration
	latency   time.Duration    // of each request to Graph
	now       func() time.Time // of Graph's limits; nil: time.Now

	faults []step // that always come, besides those of the test
	// puts in place what an earlier delivery has left, after fetch and before the events; nil: nothing
	left   func(*world)
	lost   func(name string) bool // the events of these batches never come; nil: all do
	calm   bool                   // one event after the other
	memory bool                   // the storage is the stand-in in memory, not Azurite
	zips   []delivered            // what the vendor pushed, in place of items at the site
	sftp   bool                   // to an SFTP server, not into a landing container

	records journal.RecordTotals
	copies  journal.CopyTotals // of runs in which each item is collected once
	boxes   map[string][]string
	counts  map[string]int // in place of boxes: messages per user
	// with counts: the SHA-256 of the attachments that a message must have, sorted, by its id; or longText
	files map[string][]string
}

type item struct {
	archived time.Time
	raw      []byte
}

// The people of the small days: numbers of Ofcom's drama ranges.
var (
	jane  = person{"447700900101", "jane@contoso.example", "0be7c000-0000-4000-8000-000000000001"}
	ali   = person{"447700900102", "ali@contoso.example", "0be7c000-0000-4000-8000-000000000002"}
	alien = person{number: "447700900900"}
)

type person struct{ number, address, id string }

func (p person) party() map[string]any {
	party := map[string]any{"value": "+" + p.number}
	if p.address != "" {
		party["email"] = p.address
	}
	return party
}

func newDay(pageLimit int) *day {
	d := &day{from: time.Now().UTC().Add(-20 * time.Hour).Truncate(time.Second), pageLimit: pageLimit,
		inDoubt: 9 * time.Second, boxes: map[string][]string{}}
	for _, p := range []person{jane, ali} {
		d.users = append(d.users, mailboxtest.User{ID: p.id, UPN: p.address, Mail: p.address, DisplayName: p.address})
	}
	return d
}

// add puts an item into the site, archived a minute after the one before it.
func (d *day) add(id, kind string, from, to person, more map[string]any) {
	at := d.from.Add(time.Duration(len(d.items)+1) * time.Minute)
	it := map[string]any{
		"messageId": id, "messageType": kind, "network": "O2", "msisdn": from.number, "messageTime": at.Add(
			-time.Minute).Format(time.RFC3339),
		"archivedTime": at.Format(
			time.RFC3339), "direction": "Out", "status": "Delivered", "from": from.party(), "to": []any{to.party()},
	}
	for name, value := range more {
		it[name] = value
	}
	raw, err := json.Marshal(it)
	if err != nil { // texts, numbers and lists always can be
		panic(err)
	}
	d.items = append(d.items, item{at, raw})
	d.records.Collected++
}

// file is an attachment at a path of the site.
func (d *day) file(name string, size int, mime string) map[string]any {
	data := make([]byte, size)
	chance := rand.New(rand.NewPCG(1, uint64(size)))
	for i := range data {
		data[i] = byte(chance.Uint32())
	}
	path := "/content/" + name
	d.contents = append(d.contents, sample.Content{Path: path, Type: mime, Data: data})
	sum := sha256.Sum256(data)
	return map[string]any{"name": name, "contentType": mime, "attachSize": size, "digest": hex.EncodeToString(sum[:]),
		"contentUrl": path}
}

// archived expects that a record becomes a copy in each of the mailboxes. what is the message's id and its files.
func (d *day) archived(records int, what string, in ...person) {
	d.records.Archived += records
	for _, p := range in {
		d.boxes[p.id] = append(d.boxes[p.id], what)
		d.copies.Planned++
		d.copies.Imported++
	}
}

// texts is a small day of several pages: texts, a long one in pieces on two pages, and records without a mailbox.
func texts() *day {
	d := newDay(3)
	d.add("m1", "SMS", jane, ali, map[string]any{"textContent": "The first one goes to both of us"})
	d.archived(1, "m1", jane, ali)
	d.add("m2", "SMS", ali, alien, map[string]any{"textContent": "This one leaves the house"})
	d.archived(1, "m2", ali)
	piece := func(id string, n int) {
		d.add(id, "SMS", jane, alien, map[string]any{"textContent": fmt.Sprintf("Piece %d of a long story. ", n),
			"segmentedData": map[string]any{"segmentedId": "long-story", "pieceNumber": n, "totalPieces": 2}})
	}
	piece("m3a", 1)
	piece("m3b", 2)
	d.archived(2, "m3a", jane)
	d.add("m4", "SMS", alien, person{number: "447700900901"}, map[string]any{"textContent": "Nobody here gets this"})
	d.records.Unmapped++
	d.add("hb", "SYSTEM", alien, alien, nil)
	d.records.Excluded++
	d.add("m5", "SMS", jane, alien,
		map[string]any{"messageTime": "57300-01-01T00:00:00Z", "textContent": "From far away"})
	d.records.Quarantined++
	return d
}

// files is a small day of attachments: within the message, after it, and by an upload session.
func files() *day {
	d := newDay(0)
	one := func(id string, owner person, attachments ...map[string]any) {
		d.add(id, "MMS", owner, alien, map[string]any{"textContent": "See what I found", "attachment": attachments})
		what := id
		for _, a := range attachments {
			what += fmt.Sprintf(" %s", a["digest"])
		}
		d.archived(1, what, owner)
	}
	one("f1", jane, d.file("kitchen.png", 20_000, "image/png"))
	one("f2", ali, d.file("report.pdf", 2_400_000, "application/pdf"), d.file("annex.pdf", 300_000, "application/pdf"))
	one("f3", jane, d.file("call.wav", 4_300_000, "audio/wav"))
	return d
}

// check holds mailboxes and sums against what the day is known to be.
func (w *world) check() (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	w.plan.Settle()
	s := w.summary(w.t.Context())
	for _, p := range s.Problems() {
		say("%s", p)
	}
	if diff := cmp.Diff(w.day.records, s.Records); diff != "" {
		say("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(w.day.copies, s.Copies); diff != "" {
		say("copies (-want +got):\n%s", diff)
	}
	counts := map[string]int{}
	for _, u := range w.day.users {
		var got []string
		keys := map[string]bool{}
		for _, m := range w.graph.Messages(u.ID) {
			counts[u.ID]++
			key, ok := m.Property("ArchiveKey")
			state, marked := m.Property("ImportState")
			if m.Draft || !ok || keys[key] || marked && state != "complete" ||
				m.FolderName != "O2 SMS and Voice Network Archiver" {
				say("message %s: draft %v, key %v, again %v, state %q, folder %s", sourceID(m), m.Draft, ok, keys[key],
					state, m.FolderName)
			}
			keys[key] = true
			what := sourceID(m)
			var files []string
			for _, a := range m.Attachments {
				what += " " + a.SHA256
				if a.Name == longText { // what is in it is the text, as it was rendered
					files = append(files, a.Name)
				} else {
					files = append(files, a.SHA256)
				}
			}
			got = append(got, what)
			slices.Sort(files)
			if w.day.files != nil && !slices.Equal(files, w.day.files[sourceID(m)]) {
				say("message %s of %s has the files %v, want %v", sourceID(m), u.Mail, files, w.day.files[sourceID(m)])
			}
		}
		if w.day.counts != nil {
			continue
		}
		slices.Sort(got)
		if diff := cmp.Diff(slices.Sorted(slices.Values(w.day.boxes[u.ID])), got); diff != "" {
			say("the mailbox of %s (-want +got):\n%s", u.Mail, diff)
		}
	}
	if w.day.counts != nil {
		if diff := cmp.Diff(w.day.counts, counts); diff != "" {
			say("messages per mailbox (-want +got):\n%s", diff)
		}
	}
	return wrong
}

func sourceID(m mailboxtest.Message) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, "X-O2-Message-Id") {
			return h.Value
		}
	}
	return ""
}

// sampleDay is the sample day of `make run`, with every trap.
func sampleDay() *day {
	s := sample.Make(time.Now().UTC().Add(-10 * time.Minute).Truncate(time.Second))
	e := s.Expect
	d := &day{
		from: s.From, mapping: s.Mapping, contents: s.Contents, counts: e.Messages, inDoubt: 15 * time.Second,
		records: journal.RecordTotals{Collected: e.Items, Archived: e.Archived, Unmapped: e.Unmapped,
			Excluded: e.Excluded, Quarantined: e.Quarantined,
			LeftOut: e.LeftOut, Incomplete: e.Incomplete, Differing: e.Others},
		copies: journal.CopyTotals{Planned: e.Planned, Imported: e.Imported, Duplicate: e.Duplicate,
			Oversize: e.Oversize},
	}
	for _, it := range s.Items {
		d.items = append(d.items, item{it.Archived, bytes.Clone(it.Raw)})
	}
	for _, u := range s.Users {
		d.users = append(d.users, mailboxtest.User(u))
	}
	d.files = sampleFiles(s)
	return d
}

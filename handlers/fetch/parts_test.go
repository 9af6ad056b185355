package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/telemessage/telemessagetest"
)

// parsePiece reads "A1/2@10m": piece 1 of 2 of message A, sent at 10 minutes. A mark after the message's letter makes another
// item of it: "A'1/2@10m".
func parsePiece(t *testing.T, s string, short bool) smsPart {
	t.Helper()
	var number, total int
	name, sent, _ := strings.Cut(s, "@")
	i := strings.IndexAny(name, "123456789")
	_, err := fmt.Sscanf(name[i:], "%d/%d", &number, &total)
	d, derr := time.ParseDuration(sent)
	if err != nil || derr != nil {
		t.Fatalf("%s: %v, %v", s, err, derr)
	}
	return smsPart{Group: "g", Number: number, Total: total, ID: name, Sent: morning.Add(d), Size: 100, Short: short, key: s}
}

func TestPuttingTogether(t *testing.T) {
	tests := []struct {
		name, pieces string
		near, all    string // messages, ! if complete; "" for all: the same
	}{
		{"in order", "A1/2@0s A2/2@1s", "A1+A2!", ""},
		{"out of order", "A3/3@2s A1/3@0s A2/3@1s", "A1+A2+A3!", ""},
		{"one missing", "A3/3@2s A1/3@0s", "A1+A3", ""},
		{"the same piece twice", "A1/2@0s A1/2@0s A2/2@1s", "A1+A1+A2!", ""},
		{"the same piece again after the last", "A1/2@0s A2/2@1s A1/2@0s", "A1+A1+A2!", ""},
		{"two messages, one after the other", "A1/2@0s A2/2@1s B1/2@2s B2/2@3s", "A1+A2! B1+B2!", ""},
		{"two messages, mixed up", "A1/2@0s B1/2@2s A2/2@1s B2/2@3s", "A1+A2! B1+B2!", ""},
		{"two messages at one moment", "A1/2@0s A2/2@0s B1/2@0s B2/2@0s", "A1+A2! B1+B2!", ""},
		{"other number of pieces", "A1/2@0s B2/3@1s A2/2@2s", "A1+A2! B2", ""},
		{"a piece lost, the id used again an hour later", "A1/2@0s B2/2@61m B1/2@60m", "A1 B1+B2!", ""},
		{"the same, a piece of each", "A1/2@0s B2/2@61m", "A1 B2", "A1+B2!"},
		{"the same with the count of a phone, days later: never mixed", "A1/2@0s B2/2@72h", "A1 B2", ""},
		{"a piece that was sent hours later", "A1/3@0s A2/3@3h A3/3@30h", "A1 A2 A3", "A1+A2+A3!"},
		{"the nearest first", "A1/2@0s B1/2@30h B2/2@31h", "A1 B1 B2", "A1 B1+B2!"},
		{"one lost of each of two", "A1/3@0s A2/3@1s B2/3@20h B3/3@20h", "A1+A2 B2+B3", ""},
		{"twice, hours apart", "A1/3@0s A2/3@1s A2/3@20h A3/3@20h", "A1+A2 A2+A3", "A1+A2+A2+A3!"},
	}
	show := func(sets []*longSMS) string {
		var all []string
		for _, s := range sets {
			var names []string
			for _, p := range s.parts {
				name, _, _ := strings.Cut(p.key, "/")
				names = append(names, name)
			}
			text := strings.Join(names, "+")
			if s.isComplete() {
				text += "!"
			}
			all = append(all, text)
		}
		return strings.Join(all, " ")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := newPartGroups()
			for s := range strings.FieldsSeq(tt.pieces) {
				all.addPart(parsePiece(t, s, true))
			}
			if got := show(all.nearbyMessages()); got != tt.near {
				t.Errorf("near: %s, want %s", got, tt.near)
			}
			want := tt.all
			if want == "" {
				want = tt.near
			}
			if got := show(all.allMessages()); got != want {
				t.Errorf("all: %s, want %s", got, want)
			}
		})
	}
	t.Run("an id that is no phone's count has no time-out", func(t *testing.T) {
		all := newPartGroups()
		for s := range strings.FieldsSeq("A1/2@0s A2/2@240h") {
			all.addPart(parsePiece(t, s, false))
		}
		if got := show(all.allMessages()); got != "A1+A2!" {
			t.Errorf("all: %s", got)
		}
	})
}

// Whatever a source sends, no piece is lost, and a message has a size that a batch can hold.
func TestManyPiecesOfOneID(t *testing.T) {
	all := newPartGroups()
	for i := range 3000 {
		p := parsePiece(t, "A1/255@0s", true)
		p.Number, p.Size = i%255+1, 8<<10
		if i%2 == 0 {
			p.ID = fmt.Sprint(i)
		}
		all.addPart(p)
	}
	count := 0
	for _, s := range all.allMessages() {
		count += len(s.parts)
		if size := len(s.parts) * 8 << 10; size > maxSet || size != s.size || len(s.parts) > maxParts {
			t.Errorf("a message of %d pieces and %d bytes, counted as %d", len(s.parts), size, s.size)
		}
	}
	if count != 3000 {
		t.Errorf("%d pieces of 3000", count)
	}
}

// piece makes the item the piece of a long SMS.
func (it item) piece(id string, number, total int) item {
	return it.with("segmentedData", item{"segmentedId": id, "pieceNumber": number, "totalPieces": total})
}

// long gives the pieces of a message of that text, whose words are its pieces, in order. They were archived a second apart.
func (w *world) long(name, segment, words string, d time.Duration) (all []item) {
	parts := strings.Fields(words)
	for i, word := range parts {
		all = append(all, w.sms(fmt.Sprintf("%s%d", name, i+1), word, d-time.Duration(i)*time.Second).piece(segment, i+1, len(parts)))
	}
	return all
}

func TestLongMessages(t *testing.T) {
	const seg = "segment-0815-4711"
	day := sliceLength
	to := func(it item, number string) item { return it.with("to", []item{{"value": number}}) }
	longMessages(t, []longMessage{
		{"in one page, out of order", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)
			p[0], p[2] = p[2].with("archivedTime", p[0]["archivedTime"]), p[0].with("archivedTime", p[2]["archivedTime"])
			return p
		}, 1, []string{"alpha-textbeta-textgamma-text"}, 0},
		{"across pages", 2, func(w *world) []item {
			return append(w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour), w.sms("x", "between", time.Hour-500*time.Millisecond))
		}, 1, []string{"between", "alpha-textbeta-textgamma-text"}, 3},
		{"across slices", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)
			p[1]["archivedTime"] = w.ago(-5 * day).Format(time.RFC3339) // a phone that was off
			return p
		}, 7, []string{"alpha-textbeta-textgamma-text"}, 3},
		{"across slices, a phone's count, the second sent a day later", 0, func(w *world) []item {
			p := w.long("a", "17", "alpha-text beta-text", time.Hour)
			p[1]["archivedTime"], p[1]["messageTime"] = w.ago(-day).Format(time.RFC3339), w.ago(-day).Format(time.RFC3339)
			return p
		}, 3, []string{"alpha-textbeta-text"}, 2},
		{"missing for ever: not before 14 days", 0, func(w *world) []item {
			return slices.Delete(w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour), 1, 2)
		}, 14, nil, 2},
		{"missing for ever: after 14 days", 0, func(w *world) []item {
			return slices.Delete(w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour), 1, 2)
		}, 15, []string{"alpha-text⟦part 2 of 3 is missing⟧gamma-text"}, 2},
		{"the same piece twice, in one page", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text", time.Hour)
			return append(p, w.long("a", seg, "alpha-text beta-text", time.Hour-time.Minute)[1].with("messageTime", p[1]["messageTime"]))
		}, 1, []string{"alpha-textbeta-text"}, 0},
		{"the same piece twice, without an id", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text", time.Hour)
			p[0]["messageId"], p[1]["messageId"] = nil, nil
			return append(p, p[1])
		}, 1, []string{"alpha-textbeta-text"}, 0},
		{"the same piece twice, on two days", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)
			again := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)[0].with("archivedTime", w.ago(-time.Hour).Format(time.RFC3339))
			p[1]["archivedTime"] = w.ago(-2 * day).Format(time.RFC3339)
			return append(p, again)
		}, 4, []string{"alpha-textbeta-textgamma-text"}, 4},
		{"one id, two conversations", 1, func(w *world) []item {
			a, b := w.long("a", "7", "alpha-text beta-text", time.Hour), w.long("b", "7", "other-alpha other-beta", time.Hour)
			return []item{a[0], to(b[1], "+447700900789"), to(b[0], "+447700900789"), a[1]}
		}, 1, []string{"alpha-textbeta-text", "other-alphaother-beta"}, 4},
		{"one id, two conversations, a piece of each lost", 0, func(w *world) []item {
			return []item{w.long("a", "7", "alpha-text beta-text", time.Hour)[0], to(w.long("b", "7", "other-alpha other-beta", time.Hour)[1], "+447700900789")}
		}, 15, []string{"alpha-text⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧other-beta"}, 2},
		{"one id, both ways between two", 0, func(w *world) []item {
			a, b := w.long("a", "7", "alpha-text beta-text", time.Hour)[0], w.long("b", "7", "other-alpha other-beta", time.Hour)[1]
			b["from"], b["to"] = item{"value": "07700 900456"}, []item{{"value": "+447700900123"}}
			return []item{a, b}
		}, 15, []string{"alpha-text⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧other-beta"}, 2},
		{"one id, one conversation, days apart, a piece of each lost", 0, func(w *world) []item {
			return []item{w.long("a", "7", "alpha-text beta-text", time.Hour)[0], w.long("b", "7", "other-alpha other-beta", time.Hour-4*day)[1]}
		}, 19, []string{"alpha-text⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧other-beta"}, 2},
		{"a number spelt in two ways", 0, func(w *world) []item {
			a := w.long("a", "7", "alpha-text beta-text", time.Hour)
			return []item{a[0], to(a[1], "+44 7700 900456")}
		}, 1, []string{"alpha-textbeta-text"}, 0},
		{"impossible times", 2, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text", time.Hour)
			p[0]["messageTime"], p[1]["messageTime"] = "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59"
			return []item{p[0], w.sms("x", "between", time.Hour-500*time.Millisecond), p[1]}
		}, 1, []string{"between", "field messageTime: lies more than 24 hours after the item was archived"}, 2},
		{"an impossible time of one piece", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text", time.Hour)
			return []item{p[0].with("messageTime", "57300-01-01T00:00:00Z"), p[1]}
		}, 1, []string{"alpha-textbeta-text"}, 2},
	})
}

// longMessage is a case of longMessages.
type longMessage struct {
	name  string
	page  int // items of a page; 0: all in one
	items func(w *world) []item
	days  int // runs
	texts []string
	aside int // items that went through the waiting room
}

// longMessages lets the days pass and holds the texts of the messages to those that are wanted.
func longMessages(t *testing.T, tests []longMessage) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(o *telemessagetest.Options) { o.PageLimit = tt.page })
			items := tt.items(w)
			w.add(items...)
			aside, received := 0, 0
			for day := range tt.days {
				if day > 0 {
					w.nextDay()
				}
				res := w.run()
				aside += res.Waiting
				received += res.Received
			}
			got := w.texts()
			slices.Sort(got)
			want := slices.Sorted(slices.Values(tt.texts))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("texts (-want +got):\n%s", diff)
			}
			if aside != tt.aside || received != len(items) {
				t.Errorf("%d of %d items went through the waiting room, want %d of %d", aside, received, tt.aside, len(items))
			}
			if waits := len(w.waiting()); waits > 0 && tt.texts != nil || waits != tt.aside && tt.texts == nil {
				t.Errorf("%d items wait", waits)
			}
			w.balanced()
		})
	}
}

// A long message is one entry of as many records as it has pieces, in order of their number.
func TestEntryOfALongMessage(t *testing.T) {
	w := newWorld(t)
	pieces := w.long("a", "segment-0815-4711", "alpha-text beta-text gamma-text", time.Hour)
	w.add(pieces[2], pieces[0], pieces[1])
	w.many("m", 98)
	w.run()
	var sizes []int
	for _, b := range w.one().infos {
		sizes = append(sizes, b.Records)
	}
	if diff := cmp.Diff([]int{98, 3}, sizes); diff != "" {
		t.Errorf("records of the batches (-want +got):\n%s", diff)
	}
	e := w.one().entries()[98]
	if e.Total != 3 || len(e.Items) != 3 || e.Records() != 3 {
		t.Fatalf("entry of %d items, total %d", len(e.Items), e.Total)
	}
	for i, it := range e.Items {
		if want := fmt.Sprintf(`"messageId":"a%d"`, i+1); !strings.Contains(string(it.Raw), want) {
			t.Errorf("item %d has not %s", i, want)
		}
	}
	if got := w.one().entries()[0]; got.Total != 0 || len(got.Items) != 1 || got.Media != nil {
		t.Errorf("an ordinary entry: %+v", record.Entry{Total: got.Total, Media: got.Media})
	}
}

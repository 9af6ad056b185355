package collector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// piece makes the item the piece of a long SMS.
func (it item) piece(id string, number, total int) item {
	return it.with("segmentedData", item{"segmentedId": id, "pieceNumber": number, "totalPieces": total})
}

// long returns the pieces of a message of that text, whose words are its pieces, in order. They were archived a second
// apart.
func (w *world) long(name, segment, words string, d time.Duration) (all []item) {
	parts := strings.Fields(words)
	for i, word := range parts {
		all = append(all, w.sms(fmt.Sprintf("%s%d", name, i+1), word, d-time.Duration(i)*time.Second).piece(segment,
			i+1, len(parts)))
	}
	return all
}

func TestLongMessages(t *testing.T) {
	t.Parallel()
	const seg = "segment-0815-4711"
	day := schedule.WindowLength
	to := func(it item, number string) item { return it.with("to", []item{{"value": number}}) }
	longMessages(t, []longMessage{
		{"in one page, out of order", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)
			p[0], p[2] = p[2].with("archivedTime", p[0]["archivedTime"]), p[0].with("archivedTime",
				p[2]["archivedTime"])
			return p
		}, 1, []string{"alpha-textbeta-textgamma-text"}, 0},
		{"across pages", 2, func(w *world) []item {
			return append(w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour),
				w.sms("x", "between", time.Hour-500*time.Millisecond))
		}, 1, []string{"between", "alpha-textbeta-textgamma-text"}, 3},
		{"across slices", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)
			p[1]["archivedTime"] = w.ago(-5 * day).Format(time.RFC3339) // a phone that was off
			return p
		}, 7, []string{"alpha-textbeta-textgamma-text"}, 3},
		{"across slices, a phone's count, the second sent a day later", 0, func(w *world) []item {
			p := w.long("a", "17", "alpha-text beta-text", time.Hour)
			p[1]["archivedTime"], p[1]["messageTime"] = w.ago(-day).Format(time.RFC3339), w.ago(-day).Format(
				time.RFC3339)
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
			return append(p, w.long("a", seg, "alpha-text beta-text", time.Hour-time.Minute)[1].with("messageTime",
				p[1]["messageTime"]))
		}, 1, []string{"alpha-textbeta-text"}, 0},
		{"the same piece twice, without an id", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text", time.Hour)
			p[0]["messageId"], p[1]["messageId"] = nil, nil
			return append(p, p[1])
		}, 1, []string{"alpha-textbeta-text"}, 0},
		{"the same piece twice, on two days", 0, func(w *world) []item {
			p := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)
			again := w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour)[0].with("archivedTime",
				w.ago(-time.Hour).Format(time.RFC3339))
			p[1]["archivedTime"] = w.ago(-2 * day).Format(time.RFC3339)
			return append(p, again)
		}, 4, []string{"alpha-textbeta-textgamma-text"}, 4},
		{"one id, two conversations", 1, func(w *world) []item {
			a, b := w.long("a", "7", "alpha-text beta-text", time.Hour), w.long("b", "7", "other-alpha other-beta",
				time.Hour)
			return []item{a[0], to(b[1], "+447700900789"), to(b[0], "+447700900789"), a[1]}
		}, 1, []string{"alpha-textbeta-text", "other-alphaother-beta"}, 4},
		{"one id, two conversations, a piece of each lost", 0, func(w *world) []item {
			return []item{w.long("a", "7", "alpha-text beta-text", time.Hour)[0],
				to(w.long("b", "7", "other-alpha other-beta", time.Hour)[1], "+447700900789")}
		}, 15, []string{"alpha-text⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧other-beta"}, 2},
		{"one id, both ways between two", 0, func(w *world) []item {
			a, b := w.long("a", "7", "alpha-text beta-text", time.Hour)[0], w.long("b", "7", "other-alpha other-beta",
				time.Hour)[1]
			b["from"], b["to"] = item{"value": "07700 900456"}, []item{{"value": "+447700900123"}}
			return []item{a, b}
		}, 15, []string{"alpha-text⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧other-beta"}, 2},
		{"one id, one conversation, days apart, a piece of each lost", 0, func(w *world) []item {
			return []item{w.long("a", "7", "alpha-text beta-text", time.Hour)[0],
				w.long("b", "7", "other-alpha other-beta", time.Hour-4*day)[1]}
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
			t.Parallel()
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
				t.Errorf("%d of %d items went through the waiting room, want %d of %d", aside, received, tt.aside,
					len(items))
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
	t.Parallel()
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

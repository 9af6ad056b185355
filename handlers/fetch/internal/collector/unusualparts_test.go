package collector

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/firsts"
	"o2archiver/handlers/fetch/internal/longsms"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/local/soak"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// What an item is decides whether it is joined; and pieces that are unusual are joined all the same, or claim no gap
// that is not there.
func TestUnusualParts(t *testing.T) {
	t.Parallel()
	const seg = "segment-0815-4711"
	large := func(it item) item { return it.with("unknown", strings.Repeat("x", maxHeldPart)) }
	file := func(it item) item { return it.with("attachment", []item{{"name": "a.txt", "content": "QUJD"}}) }
	two := func(w *world) []item { return w.long("a", seg, "alpha-text beta-text", time.Hour) }
	three := func(w *world) []item { return w.long("a", seg, "alpha-text beta-text gamma-text", time.Hour) }
	number := func(it item, n, total any) item {
		return it.with("segmentedData", item{"segmentedId": seg, "pieceNumber": n, "totalPieces": total})
	}
	const alphaBeta, whole = "alpha-textbeta-text", "alpha-textbeta-textgamma-text"
	longMessages(t, []longMessage{
		{"a heartbeat with a segment", 0, func(w *world) []item {
			p := three(w)
			return []item{p[0].with("messageType", "System"), p[1], p[2]}
		}, 15, []string{"alpha-text", "⟦part 1 of 3 is missing⟧beta-textgamma-text"}, 2},
		{"heartbeats alone", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0].with("messageType", "SYSTEM"), p[1].with("messageType", "SYSTEM")}
		}, 1, []string{"alpha-text", "beta-text"}, 0},
		{"calls with a segment", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0].with("messageType", "CALL_LOG"), p[1].with("messageType", "CALL_AUDIO")}
		}, 1, []string{"alpha-text", "beta-text"}, 0},
		{"a text of the wrong type", 0, func(w *world) []item {
			p := three(w)
			return []item{p[0], p[1].with("textContent", 7), p[2]}
		}, 15, []string{"field textContent: is not a text", "alpha-text⟦part 2 of 3 is missing⟧gamma-text"}, 2},
		{"an id of the wrong type", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0].with("messageId", item{}), p[1]}
		}, 15, []string{"field messageId: is not a text", "⟦part 1 of 2 is missing⟧beta-text"}, 1},
		{"large", 0, func(w *world) []item { p := two(w); return []item{large(p[0]), p[1]} }, 1, []string{alphaBeta},
			2},
		{"large, on two days", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0], large(p[1]).with("archivedTime", w.ago(-2*schedule.WindowLength).Format(time.RFC3339))}
		}, 4, []string{alphaBeta}, 2},
		{"with an attachment", 0, func(w *world) []item { p := two(w); return []item{file(p[0]), file(p[1])} }, 1,
			[]string{alphaBeta}, 0},
		{"with an attachment, the other one missing", 0, func(w *world) []item { return []item{file(two(w)[1])} }, 15,
			[]string{"⟦part 1 of 2 is missing⟧beta-text"}, 1},
		{"large, with an attachment", 1,
			func(w *world) []item {
				p := three(w)
				return []item{large(file(p[0])), p[1], file(p[2])}
			}, 1, []string{whole}, 3},
		{"without a sender", 0, func(w *world) []item { p := two(w); return []item{p[0], p[1].with("from", nil)} }, 1,
			[]string{alphaBeta}, 2},
		{"with a sender of the wrong type", 0,
			func(w *world) []item {
				p := two(w)
				return []item{p[0].with("from", 7), p[1]}
			}, 1, []string{alphaBeta}, 2},
		{"without recipients, or an owner", 0, func(w *world) []item {
			p := three(w)
			return []item{p[0].with("to", nil), p[1], p[2].with("msisdn", nil)}
		}, 1, []string{whole}, 3},
		{"without a sender, a phone's count", 0, func(w *world) []item {
			p := w.long("a", "7", "alpha-text beta-text", time.Hour)
			return []item{p[0], p[1].with("from", nil)}
		}, 1, []string{alphaBeta}, 2},
		{"without a sender, of two conversations: never mixed", 0, func(w *world) []item {
			a, b := w.long("a", "7", "alpha-text beta-text", time.Hour), w.long("b", "7", "other-alpha other-beta",
				time.Hour)
			return []item{a[0], b[0].with("from", item{"value": "+447700900789"}), a[1].with("from", nil)}
		}, 15, []string{"alpha-text⟦part 2 of 2 is missing⟧", "other-alpha⟦part 2 of 2 is missing⟧",
			"⟦part 1 of 2 is missing⟧beta-text"}, 3},
		{"without a sender, of another's: never mixed", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0], p[1].with("from", nil).with("msisdn", "447700900789")}
		}, 15, []string{"alpha-text⟦part 2 of 2 is missing⟧", "⟦part 1 of 2 is missing⟧beta-text"}, 2},
		{"numbers from 0", 0, func(w *world) []item {
			p := three(w)
			return []item{number(p[0], 0, 3), number(p[1], 1, 3), number(p[2], 2, 3)}
		}, 1, []string{whole}, 0},
		{"numbers from 0, one at a time", 1, func(w *world) []item {
			p := three(w)
			return []item{number(p[2], 2, 3), number(p[1], 1, 3), number(p[0], 0, 3)}
		}, 1, []string{whole}, 3},
		{"numbers from 0, the last one missing", 0, func(w *world) []item {
			p := three(w)
			return []item{number(p[0], 0, 3), number(p[1], 1, 3)}
		}, 15, []string{"alpha-textbeta-text⟦part 3 of 3 is missing⟧"}, 2},
		{"a number beyond the total, none, one, and less", 0, func(w *world) []item {
			p := w.long("a", seg, "beyond none one less text word", time.Hour)
			return []item{number(p[0], 3, 2), number(p[1], 1, 0), number(p[2], 1, 1), number(p[3], -1, 2),
				number(p[4], "x", 2), number(p[5], 1, 1000)}
		}, 1, []string{"beyond", "none", "one", "less", "text", "word"}, 0},
		{"totals that differ", 0,
			func(w *world) []item {
				p := three(w)
				return []item{number(p[0], 1, 2), p[1], p[2]}
			}, 1, []string{whole}, 3},
		{"one number twice, with another text and another id", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0], two(w)[0].with("messageId", "b1").with("textContent", "other-text"), p[1]}
		}, 15, []string{alphaBeta, "other-text⟦part 2 of 2 is missing⟧"}, 1},
		{"one number twice, with another text and one id", 0, func(w *world) []item {
			p := two(w)
			return []item{p[0], two(w)[0].with("textContent", "other-text"), p[1]}
		}, 1, []string{alphaBeta}, 0},
	})
}

// A piece whose attachment is out of reach keeps its message waiting, and the attachment is the message's when it
// comes.
func TestPartWithAnAttachmentOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.long("a", "segment-0815-4711", "alpha-text beta-text", time.Hour)
	path := w.content("/late.bin", []byte("late"))
	w.add(p[0].with("attachment", []item{{"name": "inline", "content": "QUJD"}, {"name": "late", "contentUrl": path}}),
		p[1])
	back := w.unreachable()
	w.run()
	w.nextDay()
	if res := w.run(); res.Records != 0 || len(w.waiting()) != 2 {
		t.Errorf("%+v, %d wait", res, len(w.waiting()))
	}
	back()
	w.nextDay()
	w.run()
	w.balanced()
	var entry record.Entry
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			entry = e
		}
	}
	r, err := telemessage.Parse(entry)
	if err != nil || r.Text != "alpha-textbeta-text" || len(r.Attachments) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, want := range []string{"ABC", "late"} {
		if a := r.Attachments[i]; a.Gone != "" || string(w.media(a.Blob())) != want {
			t.Errorf("attachment %+v", a)
		}
	}
}

// A piece whose attachment never comes is archived without it, with its message.
func TestPartWithAnAttachmentThatNeverComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.long("a", "segment-0815-4711", "alpha-text beta-text", time.Hour)
	w.add(p[0], p[1].with("attachment", []item{{"contentUrl": "/never.bin"}}))
	defer w.unreachable()()
	for range 15 {
		w.run()
		w.nextDay()
	}
	if diff := cmp.Diff([]string{"alpha-textbeta-text"}, w.texts()); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	w.balanced()
}

// Parts that are too large for one entry become several messages, each of which names the parts that are in the other.
// In the short form two small parts have stored facts that give the whole room of an entry as their size, so the third
// needs another one; in the long form the parts are as large as they say.
func TestPartsTooLargeForOneEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.long("a", "segment-0815-4711", "alpha-text beta-text gamma-text", time.Hour)
	if soak.ForTest(t).Long {
		for i := range p {
			p[i] = p[i].with("unknown", strings.Repeat("x", 6<<20))
		}
		w.add(p...)
	} else {
		w.add(p[:2]...)
		w.run()
		w.resizeParts(15 << 20 / 2)
		w.nextDay()
		w.add(p[2].with("archivedTime", w.ago(time.Hour).Format(time.RFC3339)))
	}
	w.run()
	w.balanced()
	want := []string{"alpha-textbeta-text⟦part 3 of 3 is in another message⟧",
		"⟦part 1 of 3 is in another message⟧⟦part 2 of 3 is in another message⟧gamma-text"}
	if diff := cmp.Diff(want, w.texts()); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if len(w.waiting()) > 0 {
		t.Errorf("%d items wait", len(w.waiting()))
	}
}

// Parts of one page that together are larger than one entry may be are deferred, though their message is complete.
func TestPartsOfAPageTooLargeForOneEntry(t *testing.T) {
	t.Parallel()
	const half = 15 << 20 / 2
	for name, test := range map[string]struct{ second, records, deferred int }{
		"just fit": {half, 2, 0}, "one byte more": {half + 1, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			parts := longsms.NewGroups()
			for i, size := range []int{half, test.second} {
				part := longsms.NewPart(longsms.Segment{ID: "segment-0815-4711", Number: i + 1, Total: 2, Sent: start},
					record.Item{SHA256: strings.Repeat(fmt.Sprint(i), 64), Raw: []byte("{}")})
				part.Index, part.Size = i, size
				parts.Add(part)
			}
			window := &activeWindow{Window: &schedule.Window{Folder: "2001/03/01/a", To: start},
				inv: newInvocation(workLimits{}), earlier: &earlierAttempt{}, firsts: firsts.New()}
			var p schedule.Progress
			out := w.collector.newWriter(window, &p)
			if err := w.collector.writeLongMessages(t.Context(), window, &p, out, parts); err != nil {
				t.Fatal(err)
			}
			records, waiting := out.next.Records(), len(w.waiting())
			if records != test.records || p.Deferred != test.deferred || waiting != test.deferred {
				t.Errorf("%d records written, %d deferred, %d waiting", records, p.Deferred, waiting)
			}
		})
	}
}

// resizeParts sets the size in the facts of each deferred part. Its item stays as it is.
func (w *world) resizeParts(size int) {
	w.t.Helper()
	for _, key := range w.waiting() {
		var item deferred
		if err := w.Store.Deferred().Get(w.t.Context(), key, &item); err != nil {
			w.t.Fatal(err)
		}
		item.Part.Size = size
		if err := w.Store.Deferred().Replace(w.t.Context(), key, item, factsOf(&item).encodeFacts()); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A page that is read again finds what it knew of the pieces' attachments, and writes the same batch.
func TestPartsWithAttachmentsAreReadAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.long("a", "segment-0815-4711", "alpha-text beta-text", time.Hour)
		n := 0
		w.site.AddContent("/changing.bin", -1,
			func() io.Reader { n++; return strings.NewReader(fmt.Sprint("reading ", n)) })
		for i := range p {
			p[i] = p[i].with("attachment", []item{{"contentUrl": "/changing.bin"}})
		}
		w.add(p...)
		w.many("m", 99)
		w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 25 << 10})
		w.run()
		w.balanced()
		if got := len(w.one().infos); got != 2 {
			t.Errorf("%d batches, want 2", got)
		}
	})
}

package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// entry reads the first line of a batch.
func (w *world) entry(batch string) (e record.Entry) {
	w.t.Helper()
	data, _, err := w.store.Batches().Read(w.t.Context(), batch)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.NewDecoder(strings.NewReader(string(data))).Decode(&e); err != nil {
		w.t.Fatal(err)
	}
	return e
}

func mediaOf(w *world) func(string) (io.ReadCloser, error) {
	return func(sha string) (io.ReadCloser, error) {
		body, _, err := w.store.Media().Open(w.t.Context(), sha)
		return body, err
	}
}

func TestTextInTheMailboxIsTheMessages(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		for id, test := range map[string]struct{ text, begins string }{
			"plain": {"hello", "hello\r\n\r\n"},
			"lines": {"one\ntwo\r\nthree\tfour", "one\ntwo\r\nthree\tfour\r\n\r\n"},
			"emoji": {"👨‍👩‍👧 \u2068isolated\u2069 \ufffc", "👨‍👩‍👧 \u2068isolated\u2069 \ufffc\r\n"},
			"controls": {"nul \x00, bell \a, escape \x1b[1m, \uffff",
				"nul ⟦U+0000⟧, bell ⟦U+0007⟧, escape ⟦U+001B⟧[1m, ⟦U+FFFF⟧\r\n"},
			"written": {"the sender's ⟦U+0007⟧", "the sender's ⟦U+0007⟧\r\n"},
			"cipher": {"U2FsdGVkX1+vupppZksvRf5pq5g5XjFRlipRkwB0K1Y=",
				"U2FsdGVkX1+vupppZksvRf5pq5g5XjFRlipRkwB0K1Y=\r\n"},
			"html":       {"<b>bold</b> & <script>", "<b>bold</b> & <script>\r\n"},
			"from":       {"From here\n.\nFrom there", "From here\n.\nFrom there\r\n"},
			"trailing":   {"blanks  \n \n", "blanks  \n \n"},
			"long lines": {strings.Repeat("0123456789", 500), strings.Repeat("0123456789", 500) + "\r\n"},
		} {
			batch := w.put(w.line(sms(id, test.text, otto, ali)))
			w.start().deliver(batch)
			w.became(batch, "archived: ali imported")
			rec, err := telemessage.Parse(w.entry(batch))
			if err != nil {
				t.Fatal(err)
			}
			built, err := message.Build(rec, message.Options{Region: "GB"})
			if err != nil {
				t.Fatal(err)
			}
			var whole strings.Builder
			if err := built.Write(&whole, nil); err != nil {
				t.Fatal(err)
			}
			parsed, err := message.Parse(strings.NewReader(whole.String()))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range w.graph.Messages(ali.id()) {
				if sourceID(m) != id {
					continue
				}
				if !strings.HasPrefix(m.Text, test.begins) {
					t.Errorf("%s: the text begins with %.80q, want %q", id, m.Text, test.begins)
				}
				if noted := strings.Contains(m.Text,
					" Marks in ⟦ ⟧ stand for what could not be kept"); noted != strings.Contains(test.begins, "⟦") {
					t.Errorf("%s: the text says of marks: %v", id, noted)
				}
				type seen struct{ Subject, Text, ID, From, To string }
				want := seen{importer.ShowControls(parsed.Subject), importer.ShowControls(parsed.Text),
					"<" + built.ID() +
						">", parsed.From.Name + parsed.From.Address, parsed.To[0].Name + parsed.To[0].Address}
				got := seen{m.Subject, m.Text, m.InternetMessageID, m.From.Name + m.From.Address,
					m.To[0].Name + m.To[0].Address}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: (-built +in the mailbox)\n%s", id, diff)
				}
				if !m.Sent.Equal(moment) || !m.Received.Equal(moment) || m.Class != "IPM.Note" || !m.Read {
					t.Errorf("%s: sent %v, received %v, class %s, read %v", id, m.Sent, m.Received, m.Class, m.Read)
				}
			}
		}
		if n := len(w.copies(ali)); n != 10 {
			t.Errorf("%d messages", n)
		}
	})
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/journal"
	"o2archiver/shared/mailbox/mailboxtest"
)

const target = "O2 SMS and Voice Network Archiver"

// who names a mailbox of the tenant.
func (w *world) who(id string) string {
	for _, u := range w.graph.Users() {
		if strings.EqualFold(u.ID, id) {
			name, _, _ := strings.Cut(u.Mail, "@")
			return name
		}
	}
	return "nobody"
}

// state reads a batch's journal.
func (w *world) state(batch string) journal.State {
	w.t.Helper()
	s, err := journal.Read(context.Background(), w.store.Logs(), batch)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// outcomes returns for each line what became of it and of its copies, e.g. "archived: ali imported, jane duplicate".
func (w *world) outcomes(batch string) []string {
	w.t.Helper()
	s := w.state(batch)
	var all []string
	for _, n := range s.Lines() {
		r, _ := s.Record(n)
		var copies []string
		for _, c := range s.Copies(n) {
			text := w.who(c.Mailbox) + " " + string(c.Outcome)
			if c.Differs {
				text += " (differs)"
			}
			copies = append(copies, text)
		}
		slices.Sort(copies)
		text := string(r.Outcome)
		if len(copies) > 0 {
			text += ": " + strings.Join(copies, ", ")
		}
		all = append(all, text)
	}
	return all
}

// became checks the outcomes of all lines of a batch that is done, and that both sums hold.
func (w *world) became(batch string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.outcomes(batch)); diff != "" {
		w.t.Errorf("outcomes of %s (-want +got):\n%s", batch, diff)
	}
	w.balanced(batch)
}

// balanced checks that a batch is done and that both sums hold with nothing pending.
func (w *world) balanced(batch string) journal.Totals {
	w.t.Helper()
	s := w.state(batch)
	totals := s.Totals()
	if err := totals.Holds(); err != nil {
		w.t.Errorf("%s: %v", batch, err)
	}
	if !s.Done || totals.Records.Pending != 0 || totals.Copies.Pending != 0 {
		w.t.Errorf("%s: done %v, pending %d records and %d copies", batch, s.Done, totals.Records.Pending,
			totals.Copies.Pending)
	}
	return totals
}

// copies are the messages in the mailbox, wherever in it: the source's id, the files, and what is wrong with it.
func (w *world) copies(p person) (all []string) {
	for _, m := range w.graph.Messages(p.id()) {
		all = append(all, describe(m))
	}
	slices.Sort(all)
	return all
}

func describe(m mailboxtest.Message) string {
	text := sourceID(m)
	for _, a := range m.Attachments {
		text += fmt.Sprintf(" +%d:%s", a.Size, a.SHA256[:8])
	}
	if state, _ := m.Property("ImportState"); state == "partial" {
		text += " partial"
	}
	if m.FolderName != target || m.Draft {
		text += " in " + m.FolderName
	}
	return text
}

func sourceID(m mailboxtest.Message) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, "X-O2-Message-Id") {
			return h.Value
		}
	}
	return ""
}

// holds checks what is in the mailbox, each message once. A file stands behind its message's id as with describes it.
func (w *world) holds(p person, want ...string) {
	w.t.Helper()
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, w.copies(p)); diff != "" {
		w.t.Errorf("in the mailbox of %s (-want +got):\n%s", p.name, diff)
	}
}

// with is a message with its files, as holds wants it.
func with(id string, files ...[]byte) string {
	for _, f := range files {
		id += fmt.Sprintf(" +%d:%s", len(f), hexSum(f)[:8])
	}
	return id
}

// logged returns the log's lines at least of a level.
func (w *world) logged(level string) (all []string) {
	for line := range strings.Lines(w.log.String()) {
		var l struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Level == level {
			all = append(all, strings.TrimSuffix(l.Msg+": "+l.Error, ": "))
		}
	}
	return all
}

// calls counts the requests to Graph of the given kinds, of all kinds if none is given.
func (w *world) calls(kinds ...string) int {
	n := 0
	for kind, count := range w.graph.Requests().Kinds {
		if kind != mailboxtest.Token && (len(kinds) == 0 || slices.Contains(kinds, kind)) {
			n += count
		}
	}
	return n
}

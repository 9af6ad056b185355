package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"o2archiver/shared/record"
)

// No bound of ours keeps a sound item out of the mailboxes: beyond one the field is left out, which journal and message
// say.
func TestLargeItemIsArchived(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		many := func(n int, one func(i int) item) (all []item) {
			for i := range n {
				all = append(all, one(i))
			}
			return all
		}
		stranger := func(i int) item { return item{"value": fmt.Sprintf("short %d", i)} }
		empty := func(int) item { return item{} }
		var deep any = "bottom"
		for range 500 {
			deep = []any{deep}
		}
		addresses := strings.Repeat("someone@elsewhere.example;", 101) + ali.email
		batch := w.put(
			w.line(sms("files", "1,001 attachments", otto, ali).with("attachment", many(1001, empty))),
			w.line(sms("people", "10,001 recipients", otto, ali).with("to",
				append(many(10_000, stranger), item{"value": ali.number, "email": ali.email}))),
			w.line(sms("addresses", "102 addresses of one person", otto).with("to",
				[]item{{"value": "x", "email": addresses}})),
			w.line(sms("deep", "500 levels", otto, ali).with("unknown", deep)),
			w.line(sms("more files", "10,001 attachments", otto, ali).with("attachment", many(10_001, empty))),
			w.line(sms("long", "long fields", otto, ali).with("subject", strings.Repeat("s", 1<<20)).with("network",
				strings.Repeat("n", 1<<20))),
		)
		w.start().deliver(batch)
		for n, leftOut := range []int{0, 0, 0, 0, 1, 0} {
			r, _ := w.state(batch).Record(n + 1)
			if r.Outcome != "archived" || r.LeftOut != leftOut || len(w.state(batch).Copies(n+1)) != 1 {
				t.Errorf("line %d: %s, %s, %d left out, %d copies", n+1, r.Outcome, r.Reason, r.LeftOut,
					len(w.state(batch).Copies(n+1)))
			}
		}
	})
}

// The journal's line of what is quarantined has the message's id all the same.
func TestQuarantinedRecordHasItsID(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		fault, err := json.Marshal(record.Entry{Version: 1, Fault: "it has more than 16 MiB; its 17 bytes are kept",
			ID: "big", RawBlob: "raw/x", RawHash: "00"})
		if err != nil {
			t.Fatal(err)
		}
		noID := w.line(sms("x", "x", otto, ali).with("messageId", 7))
		batch := w.put(
			w.line(sms("text", "x", otto, ali).with("textContent", 7)),
			w.line(sms("time", "x", otto, ali).with("messageTime", "57300-01-01T00:00:00Z")),
			fault, noID,
		)
		w.start().deliver(batch)
		var entry record.Entry
		if err := json.Unmarshal(noID, &entry); err != nil {
			t.Fatal(err)
		}
		for n, id := range []string{"text", "time", "big", "sha256:" + entry.Items[0].SHA256} {
			if r, _ := w.state(batch).Record(n + 1); r.Outcome != "quarantined" ||
				r.Message != record.MessageKey("", id) || r.Original == "" {
				t.Errorf("line %d: %s with the message %q, original %q", n+1, r.Outcome, r.Message, r.Original)
			}
		}
	})
}

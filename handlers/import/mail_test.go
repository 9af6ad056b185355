package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery"
)

// mailLine returns the line of an item that came as an e-mail message from Jane to Ali, and stores its files.
func (w *world) mailLine(o delivery.Options, id, text string, files ...[]byte) raw {
	w.t.Helper()
	w.secret(text)
	var eml strings.Builder
	fmt.Fprintf(&eml, "Date: %s\r\nFrom: Jane Doe %s <%s>\r\nTo: %s Ali <%s>\r\nMessage-ID: <%s>\r\n"+
		"X-TELEMESSAGE-ArchiveMessageID: %s\r\nX-TELEMESSAGE-MessageType: SMS\r\n"+
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n",
		moment.Format("Mon, 02 Jan 2006 15:04:05 -0700"), jane.number, jane.email, ali.number[1:], ali.email, id, id,
		text)
	for n, f := range files {
		fmt.Fprintf(&eml, "--b\r\nContent-Type: image/png; name=\"confidential %d.png\"\r\n"+
			"Content-Transfer-Encoding: base64\r\n\r\n%s\r\n", n, base64.StdEncoding.EncodeToString(f))
	}
	eml.WriteString("--b--\r\n")
	o.Store = func(_ delivery.Part, r io.Reader) (record.Media, error) {
		sha, size, err := w.store.Media().Put(w.t.Context(), mediaDay, "", r)
		return record.Media{SHA256: sha, Size: size, Day: mediaDay}, err
	}
	e, err := delivery.Describe(strings.NewReader(eml.String()), o)
	if err != nil {
		w.t.Fatal(err)
	}
	line, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return line
}

// An item that comes as an e-mail message is imported like any other, and is the same message as the item that came as
// JSON if the ids are the same.
func TestMailIsImported(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.put(w.line(sms("m1", "confidential one", jane, ali)))
		w.start().deliver(first)
		w.became(first, "archived: ali imported, jane imported")
		file := noise(2_000, 1)
		second := w.put(
			w.mailLine(delivery.Options{}, "m1", "confidential one"),
			w.mailLine(delivery.Options{}, "m2", "confidential two", file),
			w.mailLine(delivery.Options{Source: record.GenericEML, Kind: record.SMS}, "m1", "confidential three"),
			raw(`{"v":1,"rawHash":"`+strings.Repeat("0f", 32)+`","fault":"the file is not an e-mail message"}`))
		w.start().deliver(second)
		w.became(second, "archived: ali duplicate, jane duplicate", "archived: ali imported, jane imported",
			"archived: ali imported, jane imported", "quarantined")
		for _, p := range []person{jane, ali} {
			w.holds(p, "m1", "m1", with("m2", file))
		}
		for _, m := range w.graph.Messages(ali.id()) {
			if sourceID(m) == "m2" && !strings.HasPrefix(m.Text, "confidential two\r\n") {
				t.Errorf("the text begins with %.40q", m.Text)
			}
		}
		w.checkSecrets()
	})
}

// With the organization's domains no mailbox is found by another address; a number finds its own in the CSV file all
// the same. An item that comes again with other domains is the same message.
func TestMailOfOutsiders(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.csv("Mobile,Email,From,Until", jane.number+","+jane.email+",,")
		first := w.put(w.mailLine(delivery.Options{}, "m1", "confidential one"))
		w.start().deliver(first)
		w.became(first, "archived: ali imported, jane imported")
		own, other := []string{"fabrikam.example", "contoso.example"}, []string{"fabrikam.example"}
		second := w.put(
			w.mailLine(delivery.Options{Domains: own}, "m1", "confidential one"),
			w.mailLine(delivery.Options{Domains: other}, "m1", "confidential one"),
			w.mailLine(delivery.Options{Domains: own}, "m2", "confidential two"),
			w.mailLine(delivery.Options{Domains: other}, "m3", "confidential three"),
			w.mailLine(delivery.Options{Source: record.GenericEML, Domains: other}, "m4", "confidential four"))
		w.start().deliver(second)
		w.became(second, "archived: ali duplicate, jane duplicate", "archived: jane duplicate",
			"archived: ali imported, jane imported", "archived: jane imported", "archived: ali imported, jane imported")
		for _, m := range w.graph.Messages(jane.id()) {
			if sourceID(m) == "m3" && !strings.Contains(m.Text, `"Ali (`+ali.email+`)"`) {
				t.Errorf("the address is not in the name: %s", m.Text)
			}
		}
	})
}

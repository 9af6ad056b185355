package main

import (
	"testing"
)

// TestFoundAddressesStandInTheMailbox: a search by address finds who was found by the mapping, and the journal says how
// the message was made.
func TestFoundAddressesStandInTheMailbox(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.csv("447700900456,ali@contoso.example", "447700900123,jane@contoso.example")
		it := sms("m1", "who is meant by this number?", otto).with("from", item{"value": "tel:+447700900123"}).
			with("to", []item{{"value": "+447700900456/TYPE=PLMN"},
				{"value": "+447700900999", "email": "old@example.com, Kim <KIM@contoso.example>"}})
		batch := w.put(w.line(it))
		a := w.start()
		a.deliver(batch)
		w.became(batch, "archived: ali imported, jane imported, kim imported")
		got := w.graph.Messages(ali.id())[0]
		var to []string
		for _, recipient := range got.To {
			to = append(to, recipient.Address)
		}
		if len(to) != 2 || got.From.Address != "jane@contoso.example" || to[0] != "ali@contoso.example" ||
			to[1] != "KIM@contoso.example" {
			t.Errorf("from %s to %v", got.From.Address, to)
		}
		r, _ := w.state(batch).Record(1)
		if r.Named != "0=csv 1=csv 2=2" || r.Mapping == "" {
			t.Errorf("the journal has %q of the mapping %q", r.Named, r.Mapping)
		}
		for _, c := range w.state(batch).Copies(1) {
			if c.Rendered != r.Rendered || len(c.Rendered) != 64 {
				t.Errorf("a copy has the hash %q, the record %q", c.Rendered, r.Rendered)
			}
		}
	})
}

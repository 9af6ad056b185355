package record

import "testing"

func TestSameParties(t *testing.T) {
	const jane, ali, kim = "+447700900123", "+447700900456", "+447700900789"
	of := func(owner, from string, to ...string) *Record {
		r := &Record{Owner: owner, From: Participant{Value: from}}
		for _, n := range to {
			r.To = append(r.To, Participant{Value: n})
		}
		return r
	}
	first := of(jane, jane, ali)
	for name, tt := range map[string]struct {
		second *Record
		want   bool
	}{
		"the same for another owner":                 {of(ali, jane, ali), true},
		"numbers spelt otherwise":                    {of("07700900456", "07700 900123", "447700900456"), true},
		"in another order, one twice":                {of(ali, ali, jane, jane), true},
		"its owner is left out":                      {of(ali, jane), true},
		"an owner whom the other one does not name":  {of(kim, jane, ali, kim), true},
		"an owner who is not a participant":          {of(kim, jane, ali), true},
		"another recipient":                          {of(jane, jane, kim), false},
		"one recipient more":                         {of(jane, jane, ali, kim), false},
		"one recipient more, for another owner":      {of(ali, jane, ali, kim), false},
		"another sender":                             {of(ali, kim, ali), false},
		"nobody but an owner whom nobody else knows": {of(kim, kim), false},
	} {
		if got := SameParties(first.Parties(), tt.second.Parties()); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		if SameParties(tt.second.Parties(), first.Parties()) != tt.want {
			t.Errorf("%s, the other way round: %t", name, !tt.want)
		}
	}
}

// A participant is the same whether the organization's domains were known or not.
func TestPartiesOutside(t *testing.T) {
	of := func(p Participant) string {
		return (&Record{From: Participant{Value: "65000"}, To: []Participant{p}}).Parties()
	}
	within := of(Participant{FirstName: "Jane", Emails: []string{"Jane@client.example"}})
	if of(Participant{FirstName: "Jane", Outside: "jane@client.example"}) != within {
		t.Error("an address outside is another person")
	}
	if of(Participant{FirstName: "Jane", Outside: "eve@client.example"}) == within ||
		of(Participant{FirstName: "Jane"}) == within {
		t.Error("another address, or none, is the same person")
	}
}

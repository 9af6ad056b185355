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

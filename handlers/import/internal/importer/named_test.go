package importer

import (
	"testing"

	"o2archiver/shared/record"
	"o2archiver/shared/usermap"
)

func TestNamedAddressesOfAMessage(t *testing.T) {
	r := &record.Record{From: record.Participant{Value: "1", Emails: []string{"no address", "Jane@contoso.example"}},
		To: []record.Participant{
			{Value: "2", Emails: []string{"x@y.example", "<sam@contoso.example>"}}, {Value: "3"}, {Value: "4",
				Emails: []string{"x@y.example"}}}}
	found := addressesOf([]usermap.Match{
		{Mailbox: "a", Participants: []int{0, 1}, Addresses: []string{"jane@contoso.example", "sam@contoso.example"}},
		{Mailbox: "b", Participants: []int{1, 3, usermap.Owner},
			Addresses: []string{"other@contoso.example", "kim@contoso.example", "o@contoso.example"}}})
	if got, want := namingDigest(r, found), "1=2 3=csv"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

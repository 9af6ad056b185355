package usermap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// One item with very many addresses is looked up in part, and says so; what stands beside it is looked up in whole.
func TestAddressesOfOneItemAreBounded(t *testing.T) {
	huge := func(people, each, from int) *record.Record {
		r := &record.Record{From: party("", "jane@contoso.com")}
		for i := range people {
			var emails []string
			for j := range each {
				emails = append(emails, fmt.Sprintf("x%d@a.example", from+i*each+j))
			}
			r.To = append(r.To, party("", emails...))
		}
		return r
	}
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	records := []*record.Record{huge(1000, 100, 0), {From: party("", "desk@contoso.com")}}
	for i := range 9 {
		records = append(records, huge(200, 100, 1_000_000*(i+1)))
	}
	records[0].Owner, records[0].Time = "447700900789", at(t, "2026-05-01")
	d := contoso()
	got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, d).Resolve(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, question := range d.asked {
		asked += len(question)
	}
	if asked > maxOfBatch || asked < maxOfBatch-20 {
		t.Errorf("asked about %d addresses", asked)
	}
	want := [][]Match{
		{{Mailbox: "id-jane", Participants: []int{0}, By: ByEmail},
			{Mailbox: "id-desk", Participants: []int{Owner}, By: ByCSV}},
		{{Mailbox: "id-desk", Participants: []int{0}, By: ByEmail}},
	}
	if diff := cmp.Diff(want, withoutAddresses(got)[:2]); diff != "" {
		t.Errorf("matches (-want +got):\n%s", diff)
	}
	if len(got[0].Notes) != 1 || !strings.Contains(got[0].Notes[0], "were not looked up") || got[1].Notes != nil {
		t.Errorf("notes %q and %q", got[0].Notes, got[1].Notes)
	}
	// An organization of ten thousand is within the bound.
	all := huge(10_001, 1, 0)
	d = contoso()
	got, err = New(Options{Automatic: true, Region: "GB"}, nil, d).Resolve(t.Context(), []*record.Record{all})
	if err != nil || got[0].Notes != nil || len(d.asked[0]) != 10_002 {
		t.Errorf("a message to 10,001: %v, %q", err, got[0].Notes)
	}
}

// partly answers about some of the addresses only.
type partly struct {
	*tenant
	partial *Partial
}

func (d partly) Mailboxes(ctx context.Context, addresses []string) (map[string]string, error) {
	if _, err := d.tenant.Mailboxes(ctx, addresses); err != nil {
		return nil, err
	}
	users := map[string]string{}
	for _, address := range addresses {
		_, refused := d.partial.Refused[address]
		if d.partial.Open[address] == nil && !refused {
			users[address] = d.users[address]
		}
	}
	return users, d.partial
}

func TestResolveWithoutAllAnswers(t *testing.T) {
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	when := at(t, "2026-05-01")
	records := []*record.Record{
		{Time: when, From: party("", "away@contoso.com"), To: []record.Participant{party("", "jane@contoso.com")}},
		// by the CSV, about whose address there is no answer
		{Time: when, From: party("447700900123", "jane@contoso.com")},
		{Time: when, From: party("", "odd@contoso.com", "desk@contoso.com")},
		{Time: when, From: party("", "desk@contoso.com")},
	}
	d := partly{contoso(), &Partial{
		Open:    map[string]error{"away@contoso.com": errAway, "joe@contoso.com": errAway},
		Refused: map[string]string{"odd@contoso.com": "HTTP 400"},
	}}
	got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, d).Resolve(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Match{
		{{Mailbox: "id-jane", Participants: []int{1}, By: ByEmail}},
		nil,
		{{Mailbox: "id-desk", Participants: []int{0}, By: ByEmail}},
		{{Mailbox: "id-desk", Participants: []int{0}, By: ByEmail}},
	}
	if diff := cmp.Diff(want, withoutAddresses(got)); diff != "" {
		t.Errorf("matches (-want +got):\n%s", diff)
	}
	for i, open := range []bool{true, true, false, false} {
		if errors.Is(got[i].Open, errAway) != open {
			t.Errorf("record %d: open %v", i, got[i].Open)
		}
	}
	if !slices.Equal(got[2].Notes, []string{"the directory does not look one of its addresses up: HTTP 400"}) {
		t.Errorf("notes %q", got[2].Notes)
	}
}

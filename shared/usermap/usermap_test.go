package usermap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// tenant is a Directory that notes what it was asked.
type tenant struct {
	mu    sync.Mutex
	users map[string]string
	asked [][]string
	fail  int // which question fails, from 1
}

var errAway = errors.New("directory is away")

func (d *tenant) Mailboxes(_ context.Context, addresses []string) (map[string]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, slices.Clone(addresses))
	if len(d.asked) == d.fail {
		return nil, errAway
	}
	// It knows more than it was asked, as a cache might.
	return d.users, nil
}

func contoso() *tenant {
	return &tenant{users: map[string]string{
		"jane@contoso.com":     "id-jane",
		"j.doe@contoso.com":    "ID-JANE", // an alias
		"joe@contoso.com":      "id-joe",
		"desk@contoso.com":     "id-desk",
		"leaver@contoso.co.uk": "id-leaver",
		"empty@contoso.com":    "",
	}}
}

const mapping = `Mobile,Email,Valid From,Valid To
447700900123,jane@contoso.com,,2026-03-31
447700900123,joe@contoso.com,2026-04-01,
447700900456,guest@fabrikam.com,,
447700900789,desk@contoso.com,,
`

func party(value string, emails ...string) record.Participant {
	return record.Participant{Value: value, Emails: emails}
}

func TestResolve(t *testing.T) {
	both := Options{Automatic: true, Custom: true, Region: "GB"}
	automatic := Options{Automatic: true, Region: "GB"}
	custom := Options{Custom: true, Region: "GB"}
	limited := Options{Automatic: true, Custom: true, Region: "GB", AcceptedDomains: []string{"Contoso.co.uk"}}

	message := func(owner, from record.Participant, to ...record.Participant) *record.Record {
		return &record.Record{ID: "m1", Owner: owner.Value, Time: at(t, "2026-05-01"), From: from, To: to}
	}
	none := record.Participant{}
	early := message(none, party("447700900123"))
	early.Time = at(t, "2026-03-31")

	for name, tt := range map[string]struct {
		options Options
		r       *record.Record
		want    []Match
	}{
		"by number, whatever its spelling": {both, message(none, party("07700 900789")),
			[]Match{{Mailbox: "id-desk", Participants: []int{0}, By: ByCSV}}},
		"the holder at that time": {both, message(none, party("+447700900123")),
			[]Match{{Mailbox: "id-joe", Participants: []int{0}, By: ByCSV}}},
		"the holder before": {both, early,
			[]Match{{Mailbox: "id-jane", Participants: []int{0}, By: ByCSV}}},
		"CSV first": {both, message(none, party("447700900789", "jane@contoso.com")),
			[]Match{{Mailbox: "id-desk", Participants: []int{0}, By: ByCSV}}},
		"CSV names no valid user, then email": {both, message(none, party("447700900456", "joe@contoso.com")),
			[]Match{{Mailbox: "id-joe", Participants: []int{0}, By: ByEmail}}},
		"CSV names no valid user, no email": {both, message(none, party("447700900456")), nil},
		"CSV is off": {automatic, message(none, party("447700900789", "jane@contoso.com")),
			[]Match{{Mailbox: "id-jane", Participants: []int{0}, By: ByEmail}}},
		"email is off": {custom, message(none, party("447700900999", "jane@contoso.com")), nil},
		"both are off": {Options{}, message(none, party("447700900789", "jane@contoso.com")), nil},
		"every participant": {both, message(none, party("447700900999", "jane@contoso.com"),
			party("447700900789"), party("HMRC"), party("", "JOE@contoso.com ")),
			[]Match{{Mailbox: "id-jane", Participants: []int{0}, By: ByEmail},
				{Mailbox: "id-desk", Participants: []int{1}, By: ByCSV}, {Mailbox: "id-joe", Participants: []int{3},
					By: ByEmail}}},
		"each mailbox once": {both, message(none, party("447700900999", "jane@contoso.com"),
			party("447700900998", "j.doe@contoso.com"), party("447700900123",
				"jane@contoso.com"), party("447700900123")),
			[]Match{{Mailbox: "id-jane", Participants: []int{0, 1}, By: ByEmail},
				{Mailbox: "id-joe", Participants: []int{2, 3}, By: ByCSV}}},
		"several addresses": {both,
			message(none, party("447700900999", "nobody@contoso.com", "desk@contoso.com", "joe@contoso.com")),
			[]Match{{Mailbox: "id-desk", Participants: []int{0}, By: ByEmail},
				{Mailbox: "id-joe", Participants: []int{0}, By: ByEmail}}},
		"accepted domains": {limited, message(none, party("447700900999", "jane@contoso.com", "leaver@contoso.co.uk")),
			[]Match{{Mailbox: "id-leaver", Participants: []int{0}, By: ByEmail}}},
		"accepted domains don't limit the CSV": {limited, message(none, party("447700900789")),
			[]Match{{Mailbox: "id-desk", Participants: []int{0}, By: ByCSV}}},
		"a refused address that the CSV names for another": {limited,
			message(none, party("447700900789"), party("447700900999", "desk@contoso.com")),
			[]Match{{Mailbox: "id-desk", Participants: []int{0}, By: ByCSV}}},
		"owner among the participants": {both, message(party("447700900789"), party("07700900789")),
			[]Match{{Mailbox: "id-desk", Participants: []int{0}, By: ByCSV}}},
		"owner not among them": {both, message(party("447700900789"), party("447700900999"), party("447700900123")),
			[]Match{{Mailbox: "id-joe", Participants: []int{1}, By: ByCSV},
				{Mailbox: "id-desk", Participants: []int{Owner}, By: ByCSV}}},
		"owner who is no number": {both, message(party("O2"), party("447700900123")),
			[]Match{{Mailbox: "id-joe", Participants: []int{0}, By: ByCSV}}},
		"nobody":    {both, message(none, none), nil},
		"strangers": {both, message(none, party("65000"), party("+12025550123", "a@example.com")), nil},
		"no addresses": {both,
			message(none, party("447700900999", "jane", "@contoso.com", "jane@contoso.com,joe@contoso.com",
				"jane@contoso.com\r\nBcc: x@example.com", "' or mail ne '@contoso.com", "empty@contoso.com")), nil},
		"empty participants keep their places": {both, message(none, none, none, party("447700900123")),
			[]Match{{Mailbox: "id-joe", Participants: []int{2}, By: ByCSV}}},
	} {
		table, err := ParseCSV(strings.NewReader(mapping), "GB")
		if err != nil {
			t.Fatal(err)
		}
		d := contoso()
		got, err := New(tt.options, table, d).Resolve(t.Context(), []*record.Record{tt.r})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff([][]Match{tt.want}, withoutAddresses(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestResolveAsksTwiceForAllRecords(t *testing.T) {
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	when := at(t, "2026-05-01")
	records := []*record.Record{
		{Time: when, From: party("447700900789", "never-asked@contoso.com"),
			To: []record.Participant{party("447700900456", "JOE@contoso.com")}},
		nil,
		{Time: when, From: party("447700900123"),
			To: []record.Participant{party("447700900999", "desk@contoso.com", "joe@contoso.com", "jane@contoso.com")}},
	}
	d := contoso()
	got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, d).Resolve(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Match{
		{{Mailbox: "id-desk", Participants: []int{0}, By: ByCSV},
			{Mailbox: "id-joe", Participants: []int{1}, By: ByEmail}},
		nil,
		{{Mailbox: "id-joe", Participants: []int{0, 1}, By: ByCSV},
			{Mailbox: "id-desk", Participants: []int{1}, By: ByEmail}, {Mailbox: "id-jane", Participants: []int{1},
				By: ByEmail}},
	}
	if diff := cmp.Diff(want, withoutAddresses(got)); diff != "" {
		t.Errorf("matches (-want +got):\n%s", diff)
	}
	asked := [][]string{
		{"desk@contoso.com", "guest@fabrikam.com", "joe@contoso.com"},
		{"jane@contoso.com"}, // the others were answered the first time
	}
	if diff := cmp.Diff(asked, d.asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
}

func TestResolveAsksNothingWithoutAddresses(t *testing.T) {
	d := contoso()
	r := &record.Record{From: party("447700900123"), To: []record.Participant{party("65000")}}
	for _, records := range [][]*record.Record{nil, {r}} {
		got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, nil, d).Resolve(t.Context(), records)
		if err != nil || len(got) != len(records) || len(d.asked) != 0 {
			t.Errorf("%v, %v, asked %v", got, err, d.asked)
		}
	}
}

// A directory that is away must never look like a user who isn't there.
func TestResolveFailsWithTheDirectory(t *testing.T) {
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Record{Time: at(t, "2026-05-01"), From: party("447700900123"),
		To: []record.Participant{party("", "desk@contoso.com")}}
	for fail := 1; fail <= 2; fail++ {
		d := contoso()
		d.fail = fail
		got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, d).Resolve(t.Context(),
			[]*record.Record{r})
		if got != nil || !errors.Is(err, errAway) {
			t.Errorf("question %d: %v, %v", fail, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(Options{}, nil, contoso()).Resolve(ctx, []*record.Record{r}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestResolveFromManyGoroutines(t *testing.T) {
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	m := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, contoso())
	r := &record.Record{Time: at(t, "2026-05-01"), From: party("447700900123", "jane@contoso.com")}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			got, err := m.Resolve(context.Background(), []*record.Record{r})
			if err != nil || len(got[0].Matches) != 1 || got[0].Matches[0].Mailbox != "id-joe" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	group.Wait()
}

func TestPlainAddresses(t *testing.T) {
	for text, want := range map[string]string{
		" Jane.O'Brien+x@Contoso.CO.UK ":      "jane.o'brien+x@contoso.co.uk",
		"a@b.c":                               "a@b.c",
		"":                                    "",
		"jane":                                "",
		"jane@":                               "",
		"@contoso.com":                        "",
		"jane@contoso":                        "",
		"jane@contoso.com.":                   "jane@contoso.com",
		"jane@-contoso.com":                   "",
		".jane@contoso.com":                   "",
		"ja..ne@contoso.com":                  "",
		"jane@con_toso.com":                   "",
		"jane@@contoso.com":                   "",
		"\"jane\"@contoso.com":                "",
		"jane@[127.0.0.1]":                    "",
		"jane doe@contoso.com":                "",
		"jane@contoso.com\n":                  "jane@contoso.com",
		"jane\n@contoso.com":                  "",
		"jane@contoso.com\x00":                "",
		"j\u00e4ne@contoso.com":               "",
		"<jane@contoso.com>":                  "jane@contoso.com",
		"Jane Doe <Jane@Contoso.com>":         "jane@contoso.com",
		"\"Doe, Jane\" <jane@contoso.com>":    "jane@contoso.com",
		"mailto:jane%40contoso.com?subject=x": "jane@contoso.com",
		"SMTP:Jane@contoso.com":               "jane@contoso.com",
		"ｊａｎｅ＠ｃｏｎｔｏｓｏ．ｃｏｍ": "jane@contoso.com",
		"'jane@contoso.com":                    "jane@contoso.com",
		"jane@\u212aontoso.com":                "",
		"jane@contoso.com\u200b":               "jane@contoso.com",
		strings.Repeat("a", 64) + "@b.c":       strings.Repeat("a", 64) + "@b.c",
		strings.Repeat("a", 65) + "@b.c":       "",
		"a@" + strings.Repeat("b.", 126) + "c": "",
	} {
		if got, ok := plainAddress(text); got != want || ok != (want != "") {
			t.Errorf("plain(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
}

func withoutAddresses(resolved []Resolution) (all [][]Match) {
	for _, r := range resolved {
		matches := r.Matches
		all = append(all, matches)
		for i := range matches {
			if len(matches[i].Addresses) != len(matches[i].Participants) {
				matches[i].By = "an address for each participant is missing"
			}
			matches[i].Addresses = nil
		}
	}
	return all
}

func TestMatchesNameTheirAddresses(t *testing.T) {
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Record{Time: at(t, "2026-05-01"), From: party("447700900123", "other@contoso.com"),
		To: []record.Participant{party("", "private@example.com", "Desk <DESK@contoso.com>"), party("07700 900123")}}
	got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, contoso()).Resolve(t.Context(),
		[]*record.Record{r})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Match{{{Mailbox: "id-joe", Participants: []int{0, 2}, By: ByCSV,
		Addresses: []string{"joe@contoso.com", "joe@contoso.com"}},
		{Mailbox: "id-desk", Participants: []int{1}, By: ByEmail, Addresses: []string{"desk@contoso.com"}}}}
	if diff := cmp.Diff(want, [][]Match{got[0].Matches}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNumbersInEnvelopesAreMapped(t *testing.T) {
	table, err := ParseCSV(strings.NewReader(mapping), "GB")
	if err != nil {
		t.Fatal(err)
	}
	token := party("insert-address-token")
	for name, r := range map[string]*record.Record{
		"type of an MMS centre":   {From: party("+447700900123/TYPE=PLMN")},
		"SIP":                     {From: party("<sip:+447700900123@ims.example;user=phone>")},
		"phone-context":           {From: party("tel:7700900123;phone-context=+44")},
		"extension":               {From: party("07700 900123 ext 5")},
		"number shown":            {To: []record.Participant{party("*31#07700900123")}},
		"owner":                   {Owner: "tel:+447700900123"},
		"insert-address-token":    {From: token, Owner: "447700900123", Direction: "Out"},
		"the token, no direction": {From: token, Owner: "447700900123"},
		"the token in an envelope": {From: party("Insert-Address-Token/TYPE=PLMN"), Owner: "447700900123",
			Direction: "OUT"},
	} {
		r.Time = at(t, "2026-05-01")
		got, err := New(Options{Custom: true, Region: "GB"}, table, contoso()).Resolve(t.Context(), []*record.Record{r})
		if err != nil || len(got[0].Matches) != 1 || got[0].Matches[0].Mailbox != "id-joe" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if r.From.Value != "" && got[0].Matches[0].Participants[0] != 0 {
			t.Errorf("%s: participants %v, want the sender", name, got[0].Matches[0].Participants)
		}
	}
}

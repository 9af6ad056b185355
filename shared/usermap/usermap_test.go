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
		"by number, whatever its spelling": {both, message(none, party("07700 900789")), []Match{{"id-desk", []int{0}, ByCSV}}},
		"the holder at that time":          {both, message(none, party("+447700900123")), []Match{{"id-joe", []int{0}, ByCSV}}},
		"the holder before":                {both, early, []Match{{"id-jane", []int{0}, ByCSV}}},
		"CSV first": {both, message(none, party("447700900789", "jane@contoso.com")),
			[]Match{{"id-desk", []int{0}, ByCSV}}},
		"CSV names no valid user, then email": {both, message(none, party("447700900456", "joe@contoso.com")),
			[]Match{{"id-joe", []int{0}, ByEmail}}},
		"CSV names no valid user, no email": {both, message(none, party("447700900456")), nil},
		"CSV is off":                        {automatic, message(none, party("447700900789", "jane@contoso.com")), []Match{{"id-jane", []int{0}, ByEmail}}},
		"email is off":                      {custom, message(none, party("447700900999", "jane@contoso.com")), nil},
		"both are off":                      {Options{}, message(none, party("447700900789", "jane@contoso.com")), nil},
		"every participant": {both, message(none, party("447700900999", "jane@contoso.com"),
			party("447700900789"), party("HMRC"), party("", "JOE@contoso.com ")),
			[]Match{{"id-jane", []int{0}, ByEmail}, {"id-desk", []int{1}, ByCSV}, {"id-joe", []int{3}, ByEmail}}},
		"each mailbox once": {both, message(none, party("447700900999", "jane@contoso.com"),
			party("447700900998", "j.doe@contoso.com"), party("447700900123", "jane@contoso.com"), party("447700900123")),
			[]Match{{"id-jane", []int{0, 1}, ByEmail}, {"id-joe", []int{2, 3}, ByCSV}}},
		"several addresses": {both, message(none, party("447700900999", "nobody@contoso.com", "desk@contoso.com", "joe@contoso.com")),
			[]Match{{"id-desk", []int{0}, ByEmail}, {"id-joe", []int{0}, ByEmail}}},
		"accepted domains": {limited, message(none, party("447700900999", "jane@contoso.com", "leaver@contoso.co.uk")),
			[]Match{{"id-leaver", []int{0}, ByEmail}}},
		"accepted domains don't limit the CSV": {limited, message(none, party("447700900789")), []Match{{"id-desk", []int{0}, ByCSV}}},
		"a refused address that the CSV names for another": {limited, message(none, party("447700900789"), party("447700900999", "desk@contoso.com")),
			[]Match{{"id-desk", []int{0}, ByCSV}}},
		"owner among the participants": {both, message(party("447700900789"), party("07700900789")),
			[]Match{{"id-desk", []int{0}, ByCSV}}},
		"owner not among them": {both, message(party("447700900789"), party("447700900999"), party("447700900123")),
			[]Match{{"id-joe", []int{1}, ByCSV}, {"id-desk", []int{Owner}, ByCSV}}},
		"owner who is no number": {both, message(party("O2"), party("447700900123")), []Match{{"id-joe", []int{0}, ByCSV}}},
		"nobody":                 {both, message(none, none), nil},
		"strangers":              {both, message(none, party("65000"), party("+12025550123", "a@example.com")), nil},
		"no addresses": {both, message(none, party("447700900999", "jane", "@contoso.com", "jane@contoso.com,joe@contoso.com",
			"jane@contoso.com\r\nBcc: x@example.com", "' or mail ne '@contoso.com", "empty@contoso.com")), nil},
		"empty participants keep their places": {both, message(none, none, none, party("447700900123")), []Match{{"id-joe", []int{2}, ByCSV}}},
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
		if diff := cmp.Diff([][]Match{tt.want}, got); diff != "" {
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
		{Time: when, From: party("447700900789", "never-asked@contoso.com"), To: []record.Participant{party("447700900456", "JOE@contoso.com")}},
		nil,
		{Time: when, From: party("447700900123"), To: []record.Participant{party("447700900999", "desk@contoso.com", "joe@contoso.com", "jane@contoso.com")}},
	}
	d := contoso()
	got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, d).Resolve(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Match{
		{{"id-desk", []int{0}, ByCSV}, {"id-joe", []int{1}, ByEmail}},
		nil,
		{{"id-joe", []int{0, 1}, ByCSV}, {"id-desk", []int{1}, ByEmail}, {"id-jane", []int{1}, ByEmail}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
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
	r := &record.Record{Time: at(t, "2026-05-01"), From: party("447700900123"), To: []record.Participant{party("", "desk@contoso.com")}}
	for fail := 1; fail <= 2; fail++ {
		d := contoso()
		d.fail = fail
		got, err := New(Options{Automatic: true, Custom: true, Region: "GB"}, table, d).Resolve(t.Context(), []*record.Record{r})
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
			if err != nil || len(got[0]) != 1 || got[0][0].Mailbox != "id-joe" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	group.Wait()
}

func TestPlainAddresses(t *testing.T) {
	for text, want := range map[string]string{
		" Jane.O'Brien+x@Contoso.CO.UK ":       "jane.o'brien+x@contoso.co.uk",
		"a@b.c":                                "a@b.c",
		"":                                     "",
		"jane":                                 "",
		"jane@":                                "",
		"@contoso.com":                         "",
		"jane@contoso":                         "",
		"jane@contoso.com.":                    "",
		"jane@-contoso.com":                    "",
		".jane@contoso.com":                    "",
		"ja..ne@contoso.com":                   "",
		"jane@con_toso.com":                    "",
		"jane@@contoso.com":                    "",
		"\"jane\"@contoso.com":                 "",
		"jane@[127.0.0.1]":                     "",
		"jane doe@contoso.com":                 "",
		"jane@contoso.com\n":                   "jane@contoso.com",
		"jane\n@contoso.com":                   "",
		"jane@contoso.com\x00":                 "",
		"j\u00e4ne@contoso.com":                "",
		"<jane@contoso.com>":                   "",
		strings.Repeat("a", 64) + "@b.c":       strings.Repeat("a", 64) + "@b.c",
		strings.Repeat("a", 65) + "@b.c":       "",
		"a@" + strings.Repeat("b.", 126) + "c": "",
	} {
		if got, ok := plain(text); got != want || ok != (want != "") {
			t.Errorf("plain(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
}

package vendorday

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/local/sample"
	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/zipread"
)

var end = time.Date(2026, 11, 28, 15, 40, 0, 0, time.UTC)

// made is the day of the tests, which do not change it.
var made = sync.OnceValue(func() *sample.Day { return sample.MakeSmall(end, 60) })

// TestZIPs reads the ZIPs of a day as fetch and import do. Each is complete, and all of its messages but those without
// a possible date become records.
func TestZIPs(t *testing.T) {
	t.Parallel()
	day := made()
	zips, err := Make(day, Options{Messages: 150})
	if err != nil {
		t.Fatal(err)
	}
	messages, undated := 0, 0
	numbers, ids, counted := map[string]int64{}, map[string]bool{}, map[string]int{}
	for _, z := range zips {
		name, ok := delivery.ParseName(z.Name)
		date := name.Day.Format(time.DateOnly)
		if numbers[date]++; !ok || name.Number != numbers[date] || z.Zipped.Before(name.Day) || z.Zipped.After(end) {
			t.Errorf("name %q, the %d. of its day, zipped at %v", z.Name, numbers[date], z.Zipped)
		}
		read := readZIP(t, z, ids, counted)
		messages += read
		if read != z.Messages || read > 150 {
			t.Errorf("%s has %d messages, and states %d", z.Name, read, z.Messages)
		}
	}
	if len(zips) < 5 || messages != len(day.Items) {
		t.Errorf("%d ZIPs with %d messages of %d items", len(zips), messages, len(day.Items))
	}
	// What cannot be read of an item because of its JSON type is missing in its EML, which can be read.
	for _, it := range day.Items {
		if it.Trap == "impossible messageTime" || it.Trap == "nothing in it at all" {
			undated++
		}
	}
	if counted["faults"] != undated || undated == 0 || counted["derived"] == 0 || len(ids) < messages*8/10 {
		t.Errorf("%v; %d identities, %d items without a time", counted, len(ids), undated)
	}
}

// readZIP reads a ZIP and returns the number of its messages.
func readZIP(t *testing.T, z ZIP, ids map[string]bool, counted map[string]int) (messages int) {
	t.Helper()
	a, err := zipread.Open(bytes.NewReader(z.Data), int64(len(z.Data)), zipread.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range a.Entries {
		names[e.Name] = true
	}
	var files []delivery.File
	var lists []*delivery.ListManifest
	for _, e := range a.Entries {
		files = append(files, delivery.File{Name: e.Name, Message: e.Kind == zipread.Message,
			Manifest: e.Kind == zipread.Manifest, Empty: e.Size == 0, Twice: e.Twice})
		var entry record.Entry
		problem, err := a.Read(e, func(r io.Reader) (err error) {
			if e.Kind == zipread.Message {
				entry, err = delivery.Describe(r, delivery.Options{})
				return err
			}
			list, err := delivery.ReadManifest(t.Context(), r, func(name string) bool { return names[name] })
			lists = append(lists, list)
			return err
		})
		if problem != "" || err != nil {
			t.Fatal(problem, err)
		}
		if e.Kind != zipread.Message {
			continue
		}
		messages++
		entry.Until = end.Add(15 * time.Minute)
		r, err := delivery.Parse(entry)
		var fault *record.Fault
		switch {
		case errors.As(err, &fault):
			counted["faults"]++
		case err != nil:
			t.Fatal(err)
		case r.Derived:
			counted["derived"]++
			fallthrough
		default:
			ids[r.ID] = true
		}
	}
	if v := delivery.JudgeZIP(files, lists); v.Outcome() != "complete" {
		t.Errorf("%s: %q", z.Name, v.Reasons)
	}
	return messages
}

// TestSameDaySameBytes makes a day twice, and once with another seed.
func TestSameDaySameBytes(t *testing.T) {
	t.Parallel()
	day := *made()
	day.Items = day.Items[:60]
	all := func(seed uint64) (data []byte) {
		zips, err := Make(&day, Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range zips {
			data = append(append(data, z.Name...), z.Data...)
		}
		return data
	}
	first := all(1)
	if !bytes.Equal(first, all(1)) {
		t.Error("the same day has other bytes")
	}
	if bytes.Equal(first, all(2)) {
		t.Error("another seed has the same bytes")
	}
}

// TestParticipants reads each form of a participant back.
func TestParticipants(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range []party{
		{"+44 7700 900123", "Jane Doe", "jane@contoso.example"}, {"447700900123", "Sinead O'Brien", ""},
		{"07700 900123", "", ""}, {"+44 (0)7700 900123", `Jane "JD" Doe, Ltd.`, ""},
		{"00447700900123", "Zoë Größe", ""},
		{"", "Eleanor", "eleanor@contoso.example"}, {"65000", "", ""},
	} {
		for seed := range uint64(40) {
			mail := p.mail(newChoice(seed, nil))
			seen[strings.ReplaceAll(mail, p.value, "1")] = true
			header := []record.HeaderField{{"Date", "Fri, 27 Nov 2026 09:30:00 +0000"}, {"From", mail},
				{"X-TELEMESSAGE-ArchiveMessageID", "1"}}
			r, err := delivery.Parse(record.Entry{Version: 1, Mail: &record.Mail{Header: header}})
			if err != nil {
				t.Fatal(err)
			}
			emails := strings.Join(r.From.Emails, " ")
			if r.From.Value != p.value || r.From.Name() != p.name ||
				emails != p.email && !(p.email == "" && strings.HasSuffix(emails, "@"+unknownDomain)) {
				t.Errorf("%q: %+v", mail, r.From)
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d forms", len(seen))
	}
}

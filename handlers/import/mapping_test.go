package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/import/internal/recipients"
	"o2archiver/handlers/import/internal/sweeper"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/journal"
	"o2archiver/shared/tally"
)

// csv puts the administrator's file in its place.
func (w *world) csv(rows ...string) {
	w.t.Helper()
	w.secret(rows...)
	for _, row := range rows {
		w.secret(strings.Split(row, ",")...)
	}
	if _, err := w.store.Mapping().Write(context.Background(), []byte(strings.Join(rows, "\n"))); err != nil {
		w.t.Fatal(err)
	}
}

func TestWhoGetsAMessage(t *testing.T) {
	t.Parallel()
	const header = "External User ID,Microsoft 365 User Mailbox,Valid From,Valid To"
	to := func(numbers ...string) item {
		it := sms("m1", "who gets this message?", otto)
		var all []item
		for _, n := range numbers {
			all = append(all, item{"value": n})
		}
		return it.with("to", all)
	}
	for name, test := range map[string]struct {
		settings []func(*start)
		csv      []string
		item     item
		want     string
	}{
		"by e-mail": {nil, nil, sms("m1", "x", otto, ali), "archived: ali imported"},
		"by any of several e-mails": {nil, nil,
			sms("m1", "x", otto,
				person{"Ali", "+447700900456", "ali@old.example; Second.ALI@contoso.example ,jane@contoso.example"}),
			"archived: ali imported, jane imported"},
		"by user principal name": {nil, nil,
			sms("m1", "x", otto, person{"Ali", "", "upn-Ali@contoso.onmicrosoft.example"}), "archived: ali imported"},
		"a leaver's mailbox is valid": {nil, nil, sms("m1", "x", otto, kim), "archived: kim imported"},
		"automatic mapping off": {[]func(*start){set("AUTOMATIC_MAPPING", "false")}, nil,
			sms("m1", "x", jane, ali), "unmapped"},
		"by the CSV file, in any spelling": {nil,
			[]string{header, "447700900456,ali@contoso.example,,", "07700 900789,kim@contoso.example,,"},
			to("07700 900456", "+44 (0)7700 900789"), "archived: ali imported, kim imported"},
		"custom mapping off": {[]func(*start){set("CUSTOM_MAPPING", "false")},
			[]string{header, "447700900456,kim@contoso.example,,"},
			sms("m1", "x", otto, ali), "archived: ali imported"},
		"a CSV file that is not looked at may be broken": {[]func(*start){set("CUSTOM_MAPPING", "false")},
			[]string{"4.47701E+11,x"},
			sms("m1", "x", otto, ali), "archived: ali imported"},
		"the CSV file first": {nil, []string{header, "447700900456,kim@contoso.example,,"},
			sms("m1", "x", otto, ali), "archived: kim imported"},
		"CSV off, e-mail off": {[]func(*start){
			set("AUTOMATIC_MAPPING", "false"), set("CUSTOM_MAPPING", "false")}, nil, sms("m1", "x", jane, ali),
			"unmapped"},
		"the CSV file's alone": {[]func(*start){set("AUTOMATIC_MAPPING", "false")},
			[]string{header, "447700900456,kim@contoso.example,,"}, sms("m1", "x", jane, ali),
			"archived: kim imported"},
		"CSV address unknown": {nil, []string{header, "447700900456,nobody@contoso.example,,"},
			sms("m1", "x", otto, ali), "archived: ali imported"},
		"CSV address without mailbox": {nil, []string{header, "447700900456,gus@contoso.example,,"},
			sms("m1", "x", otto, ali), "archived: ali imported"},
		"accepted domains limit the item's addresses": {[]func(*start){set("ACCEPTED_DOMAINS", "fabrikam.example")},
			nil, sms("m1", "x", jane, ali), "unmapped"},
		"but not those of the CSV file": {[]func(*start){set("ACCEPTED_DOMAINS", "fabrikam.example")},
			[]string{header, "447700900456,ali@contoso.example,,"},
			sms("m1", "x", jane, ali), "archived: ali imported"},
		"the owner apart from the others": {nil, []string{header, "447700900789,kim@contoso.example,,"},
			sms("m1", "x", otto, ali).with("msisdn", "07700 900789"), "archived: ali imported, kim imported"},
		"whoever held the number": {nil,
			[]string{header, "447700900456,ali@contoso.example,,2026-11-21",
				"447700900456,kim@contoso.example,2026-11-22,2026-11-22",
				"447700900456,jane@contoso.example,2026-11-23,"}, to("+447700900456"), "archived: kim imported"},
		"days of London": {nil,
			[]string{header, "447700900456,ali@contoso.example,,2026-06-30",
				"447700900456,kim@contoso.example,2026-07-01,"},
			to("+447700900456").with("messageTime", "2026-06-30T23:30:00Z"), "archived: kim imported"},
		"nobody held the number on that day": {nil, []string{header, "447700900456,ali@contoso.example,,2026-11-21"},
			to("+447700900456"), "unmapped"},
		"a short code is nobody's": {nil, []string{header, "447700900456,ali@contoso.example,,"},
			to("65000", "HMRC"), "unmapped"},
	} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t)
			if test.csv != nil {
				w.csv(test.csv...)
			}
			batch := w.put(w.line(test.item))
			w.start(test.settings...).deliver(batch)
			w.became(batch, test.want)
			r, _ := w.state(batch).Record(1)
			if used := test.csv != nil && !strings.Contains(name, "not looked at") &&
				name != "custom mapping off"; used != (r.Mapping != "") {
				t.Errorf("the version of the mapping in the journal is %q", r.Mapping)
			}
		}))
	}
}

func TestWhoWasResolvedToWhatIsInTheJournal(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.csv("447700900456,ali@contoso.example", "447700900457,ali@contoso.example")
		second := person{"Ali", "+447700900457", ""}
		batch := w.put(w.line(sms("m1", "x", jane, otto, ali, second)))
		w.start().deliver(batch)
		type found struct {
			By    string
			Whose []int
		}
		got := map[string]found{}
		for _, c := range w.state(batch).Copies(1) {
			got[w.who(c.Mailbox)] = found{c.By, c.Whose}
		}
		want := map[string]found{"jane": {"email", []int{0}}, "ali": {"csv", []int{2, 3}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
	})
}

func TestUnreadableMappingStopsTheImport(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		at := archivetest.NewClock(time.Now())
		var removed atomic.Bool
		a := w.start(func(s *start) { s.now = at.Now },
			through(roundTripper(func(r *http.Request) (*http.Response, error) {
				if removed.Load() && strings.Contains(r.URL.Path, "/settings/") {
					return storageError(r, http.StatusNotFound, "BlobNotFound"), nil
				}
				return w.way().RoundTrip(r)
			})))
		w.csv("447700900123,jane@contoso.example", "447700900456,ali@contoso.example")
		first := w.put(w.line(sms("m1", "imported with the good file", jane, ali)))
		a.deliver(first)
		// The new file is found within a minute.
		w.csv("447700900123,jane@contoso.example", "4.47701E+11,ali@contoso.example", "447700900789,no address")
		at.Add(recipients.MappingAge + time.Second)
		batch := w.put(w.line(sms("m2", "waits for a good file", jane, ali)))
		for range 2 {
			got := a.event(t.Context(), batch)
			if got.status != http.StatusInternalServerError {
				t.Errorf("status %d", got.status)
			}
			for _, text := range []string{"settings/mapping.csv", "line 2", "line 3", "scientific"} {
				if !strings.Contains(got.value, text) {
					t.Errorf("the error does not name %q: %s", text, got.value)
				}
			}
		}
		if s := w.state(batch); s.Done || s.Totals() != (journal.Totals{}) || len(w.copies(ali)) != 1 {
			t.Errorf("with an unreadable file: done %v, %+v", s.Done, s.Totals())
		}
		if got := a.sweep(""); got.status != http.StatusInternalServerError {
			t.Errorf("a sweep says %d: %s", got.status, got.value)
		}
		// A file that is replaced counts at once: what was refused was not kept.
		w.csv("447700900123,jane@contoso.example", "447700900456,kim@contoso.example")
		if res := a.swept(""); res != (sweeper.Result{Batches: 1, Finished: 1}) {
			t.Errorf("sweep %+v", res)
		}
		w.became(batch, "archived: jane imported, kim imported")
		// And without any file the next batch goes by e-mail.
		removed.Store(true)
		at.Add(recipients.MappingAge + time.Second)
		last := w.put(w.line(sms("m3", "imported without a file", jane, ali)))
		a.deliver(last)
		w.became(last, "archived: ali imported, jane imported")
	})
}

// A batch that waits while another one reads the mapping waits no longer than its own invocation lasts.
func TestMappingIsNotWaitedForTooLong(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		reading, answer := make(chan struct{}), make(chan struct{})
		var once sync.Once
		a := w.start(through(roundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/settings/") {
				once.Do(func() { close(reading) })
				<-answer
			}
			return w.way().RoundTrip(r)
		})))
		other, batch := w.put(w.texts("o", 1)...), w.put(w.texts("m", 1)...)
		var group sync.WaitGroup
		group.Go(func() {
			if got := a.event(t.Context(), other); got.status != http.StatusOK {
				t.Errorf("the batch that reads the mapping: status %d, %s", got.status, got.value)
			}
		})
		<-reading
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		if got := a.event(ctx, batch); got.status == http.StatusOK || time.Since(began) > 20*time.Second {
			t.Errorf("status %d after %v", got.status, time.Since(began))
		}
		close(answer)
		group.Wait()
		a.deliver(batch)
		w.balanced(batch)
		w.balanced(other)
	})
}

// The addresses of the mapping file that belong to no valid user are published for the portal, as the last batch saw
// them, and only those that a message needed.
func TestInvalidAddressesArePublished(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, withoutGus)
		a := w.start()
		w.csv("External User ID,Microsoft 365 User Mailbox,Valid From,Valid To", "447700900321,GUS@contoso.example,,",
			"447700900456,ali@contoso.example,,", "447700900789,left@contoso.example,,",
			"447700900001,no@contoso.example,,")
		published := func() (all []string) {
			t.Helper()
			var doc tally.Invalid
			_, err := w.store.Reports().Get(t.Context(), tally.InvalidName, &doc)
			if err != nil && !errors.Is(err, archive.ErrNotFound) {
				t.Fatal(err)
			}
			for address, at := range doc.Addresses {
				all = append(all, address)
				if time.Since(at) > time.Hour {
					t.Errorf("%s was seen at %v", address, at)
				}
			}
			slices.Sort(all)
			return all
		}
		if a.deliver(w.put(w.line(sms("m1", "for Ali alone", otto, ali)))); len(published()) != 0 {
			t.Errorf("published: %q", published())
		}
		batch := w.put(w.line(sms("m2", "for the guest and Kim", otto, gus, kim)))
		a.deliver(batch)
		if got := published(); !slices.Equal(got, []string{"gus@contoso.example", "left@contoso.example"}) {
			t.Errorf("published: %q", got)
		}
		licensed := tenant()[3]
		licensed.MailboxCode = ""
		w.graph.SetUser(licensed)
		w.command(replayOf(batch))
		w.start().swept("") // another process
		if got := published(); !slices.Equal(got, []string{"left@contoso.example"}) {
			t.Errorf("after the guest got a mailbox: %q", got)
		}
	})
}

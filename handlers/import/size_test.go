package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"o2archiver/handlers/import/internal/importer"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// The sizes at which an attachment takes another way to Graph.
const (
	inline    = 200_000   // in the message's own request
	posted    = 2_650_000 // by a request of its own: with it the message's would be larger than 3.5 MB
	sessioned = 3_000_000 // by an upload session
	parted    = 3_950_000 // by one, in two parts
)

func TestLargeAttachments(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		one, two, three, four := noise(inline, 1), noise(posted, 2), noise(parted, 3), noise(9, 4)
		all := w.file(w.file(w.file(w.file(sms("m1", "all the ways to Graph", otto, ali), "one.bin", one), "two.bin",
			two), "three.bin", three), "four.bin", four)
		batch := w.put(w.line(all))
		w.start().deliver(batch)
		w.became(batch, "archived: ali imported")
		w.holds(ali, with("m1", one, two, three, four))
		if n := w.calls(mailboxtest.Session); n != 1 {
			t.Errorf("%d upload sessions", n)
		}
		if n := w.calls(mailboxtest.AddFile); n != 2 {
			t.Errorf("%d attachments by requests of their own", n)
		}
		// The hash of a message that was streamed is that of the message.
		r, _ := w.state(batch).Record(1)
		entry := w.entry(batch)
		rec, err := telemessage.Parse(entry)
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.Build(rec, message.Options{Region: "GB"})
		if err != nil {
			t.Fatal(err)
		}
		var whole bytes.Buffer
		if err := m.Write(&whole, mediaOf(w)); err != nil {
			t.Fatal(err)
		}
		if want := hexSum(whole.Bytes()); r.Rendered != want {
			t.Errorf("the journal has %q for the message, want %s", r.Rendered, want)
		}
	})
}

func TestMaxItemSize(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start(set("MAX_ITEM_SIZE", "300kB"))
		small, large, other := noise(100_000, 1), noise(300_001, 2), noise(250_000, 3)
		batch := w.put(
			w.line(w.file(w.file(sms("m1", "one is too large", jane, ali), "large.bin", large), "small.bin", small)),
			w.line(w.file(w.file(sms("m2", "both are too large together", jane, ali), "small.bin", small), "other.bin",
				other)),
			w.line(w.file(sms("m3", "this is not", jane, ali), "other.bin", other)),
		)
		a.deliver(batch)
		w.became(batch, "archived: ali oversize, jane oversize", "archived: ali oversize, jane oversize",
			"archived: ali imported, jane imported")
		w.holds(ali, with("m1", small), with("m2", small), with("m3", other))
		for _, c := range append(w.state(batch).Copies(1), w.state(batch).Copies(2)...) {
			if !strings.Contains(c.Reason, "MAX_ITEM_SIZE") {
				t.Errorf("the reason is %q", c.Reason)
			}
		}
		w.named("m1", "large.bin", large, "the limit that is set")
		w.named("m2", "other.bin", other, "the limit that is set")
	})
}

// named checks that the message's text in Ali's mailbox names a file that is left out: its name, size, hash, the reason
// and where it is.
func (w *world) named(id, name string, content []byte, reason string) {
	w.t.Helper()
	for _, m := range w.graph.Messages(ali.id()) {
		if sourceID(m) != id {
			continue
		}
		size := fmt.Sprintf("%d,%03d bytes", len(content)/1000, len(content)%1000)
		if len(content) >= 1_000_000 {
			size = fmt.Sprintf("%d,%03d,%03d bytes", len(content)/1_000_000, len(content)/1000%1000, len(content)%1000)
		}
		for _, text := range []string{fmt.Sprintf("[Not attached: %q (%s): ", name, size),
			size + ", SHA-256 " +
				hexSum(content), reason, "kept in the archive's storage, in the container media, folder " + mediaDay +
				", under its SHA-256"} {
			if !strings.Contains(m.Text, text) {
				w.t.Errorf("the text of %s does not say %q:\n%s", id, text, m.Text)
			}
		}
		return
	}
	w.t.Errorf("message %s is not in the mailbox", id)
}

func TestTenantRefusesTheSize(t *testing.T) {
	t.Parallel()
	small, large := noise(1000, 1), noise(parted, 2)
	for name, limit := range map[string]int64{"before anything is created": 3_000_000,
		"at the last part": parted + 500} {
		t.Run(name, virtually(func(t *testing.T) {
			w := newWorld(t, func(o *mailboxtest.Options) { o.MessageLimit = limit })
			batch := w.put(w.line(w.file(w.file(sms("m1", "too large for the tenant", jane, ali), "small.bin", small),
				"large.bin", large)))
			w.start().deliver(batch)
			w.became(batch, "archived: ali oversize, jane oversize")
			w.holds(ali, "m1")
			w.holds(jane, "m1")
			w.named("m1", "large.bin", large, "the mailbox does not take a message of this size")
			w.named("m1", "small.bin", small, "the mailbox does not take a message of this size")
			want := w.oversized(batch)
			for _, c := range w.state(batch).Copies(1) {
				if !strings.Contains(c.Reason, "does not take a message of this size") || c.Rendered != want {
					t.Errorf("the reason is %q, the hash %q, want %s", c.Reason, c.Rendered, want)
				}
			}
		}))
	}
}

// oversized is the hash of the batch's first message as a mailbox gets it that refuses its size.
func (w *world) oversized(batch string) string {
	w.t.Helper()
	rec, err := telemessage.Parse(w.entry(batch))
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := message.Build(rec, message.Options{Region: "GB", Omit: func(record.Attachment) string {
		return "the mailbox does not take a message of this size; it is kept in the archive's storage, in the " +
			"container media, folder " + mediaDay + ", under its SHA-256"
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	var whole bytes.Buffer
	if err := m.Write(&whole, nil); err != nil {
		w.t.Fatal(err)
	}
	return hexSum(whole.Bytes())
}

func TestTenantRefusesEvenTheText(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.MessageLimit = 100 })
		batch := w.put(w.line(w.file(sms("m1", "too large whatever is left out", jane, ali), "small.bin",
			noise(1000, 1))))
		w.start().deliver(batch)
		w.became(batch, "failed: ali failed, jane failed")
		w.holds(ali)
	})
}

func TestCloudWithoutUploadSessions(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.NoUploadSessions = true })
		small, large := noise(1000, 1), noise(parted, 2)
		batch := w.put(
			w.line(w.file(sms("m1", "a file that this cloud can't take", jane, ali), "large.bin", large)),
			w.line(w.file(sms("m2", "a file that it can", jane, ali), "small.bin", small)),
			w.line(w.file(w.file(sms("m3", "one of each", jane, ali), "large.bin", large), "small.bin", small)),
		)
		w.start(set("AZURE_CLOUD", "usgov-high")).deliver(batch)
		w.became(batch, "archived: ali oversize, jane oversize", "archived: ali imported, jane imported",
			"archived: ali oversize, jane oversize")
		w.holds(ali, "m1", with("m2", small), with("m3", small))
		w.named("m1", "large.bin", large, "this cloud's mailboxes do not take a file of this size")
		w.named("m3", "large.bin", large, "this cloud's mailboxes do not take a file of this size")
		for _, c := range w.state(batch).Copies(3) {
			if !strings.Contains(c.Reason, "this cloud's mailboxes") || c.Rendered != "" {
				t.Errorf("the reason is %q, the copy's own hash %q", c.Reason, c.Rendered)
			}
		}
		if n := w.calls(mailboxtest.Session); n != 0 {
			t.Errorf("%d upload sessions were asked for", n)
		}
	})
}

// The one that dies between creating and noting leaves a message that lacks something, which nothing would show.
func TestOversizeStaysOversizeAfterACrash(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, func(o *mailboxtest.Options) { o.MessageLimit = 3_000_000 })
		batch := w.put(w.line(w.file(sms("m1", "too large for the tenant", ali, otto), "large.bin", noise(parted, 2))))
		ctx, kill := context.WithCancel(t.Context())
		creates := 0
		dying := w.start(doubt(inDoubtTest), func(s *start) {
			s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := w.toGraph.RoundTrip(r)
				if strings.HasSuffix(r.URL.Path, "/messages") && r.Method == http.MethodPost && resp != nil &&
					resp.StatusCode == http.StatusCreated {
					if creates++; creates == 2 { // the first one was to take the file in a session
						kill()
					}
				}
				return resp, err
			})
		})
		dying.event(ctx, batch)
		if creates != 2 || w.state(batch).Done {
			t.Fatalf("killed after %d creates, done %v", creates, w.state(batch).Done)
		}
		w.start(doubt(inDoubtTest)).deliver(batch)
		w.became(batch, "archived: ali oversize")
		w.holds(ali, "m1")
	})
}

func TestMediaThatIsNotAsItWasStored(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		spoil := func(it item, m record.Media) item {
			return it.with("media", []record.Media{m})
		}
		gone := record.Media{SHA256: strings.Repeat("ab", 32), Size: 1000, Day: mediaDay}
		bad, worse := w.file(sms("m1", "x", otto, ali), "a.bin", noise(1000, 1)), w.file(sms("m2", "x", otto, ali),
			"b.bin", noise(parted, 2))
		short := record.Media{SHA256: hexSum(noise(1000, 1)), Size: 1001, Day: mediaDay}
		long := record.Media{SHA256: hexSum(noise(parted, 2)), Size: parted + 1, Day: mediaDay}
		batch := w.put(
			w.line(spoil(w.file(sms("m0", "x", otto, ali), "c.bin", noise(10, 3)), gone)),
			w.line(spoil(bad, short)), w.line(spoil(worse, long)),
			w.line(sms("m3", "and one that is whole", otto, ali)),
		)
		w.start().deliver(batch)
		w.became(batch, "failed: ali failed", "failed: ali failed", "failed: ali failed", "archived: ali imported")
		w.holds(ali, "m3")
		for line, want := range []string{1: "no longer in the archive's storage", 2: "as it was stored",
			3: "as it was stored"} {
			for _, c := range w.state(batch).Copies(line) {
				if !strings.Contains(c.Reason, want) {
					t.Errorf("line %d: the reason is %q", line, c.Reason)
				}
			}
		}
	})
}

// A batch of the form before names its media without a day.
func TestMediumOfTheFormBefore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		picture := noise(1000, 11)
		sha, size, err := w.store.Media().Put(t.Context(), "", "", bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		it := sms("m1", "with a picture", otto, ali).with("attachment", []item{{"name": "a.bin", "attachSize": size}})
		batch := w.put(w.line(it.with("media", []record.Media{{SHA256: sha, Size: size}})))
		w.start().deliver(batch)
		w.became(batch, "archived: ali imported")
		w.holds(ali, with("m1", picture))
	})
}

// What lies in the archive tier is there: the copy waits until it has been rehydrated, and what has to be done is told.
// It is never a failed copy, and the batch's other records do not wait for it.
func TestMediumInTheArchiveTier(t *testing.T) {
	virtual(t, func(t *testing.T) {
		// the second one is looked at before the message is made
		for _, name := range []string{"a.bin", "picture.png"} {
			w := newWorld(t)
			picture := append([]byte("\x89PNG\r\n\x1a\n"), noise(1000, 12)...)
			it := w.file(sms("m1", "with a file", otto, ali), name, picture)
			it["attachment"].([]item)[0]["contentType"] = map[bool]string{true: "image/png",
				false: "application/octet-stream"}[name != "a.bin"]
			batch := w.put(w.line(it), w.line(sms("m2", "and one without", otto, ali)))
			archived := w.start(func(s *start) {
				s.rule = func(r *http.Request) archivetest.Fault {
					if strings.Contains(r.URL.Path, "/media/") {
						return archivetest.Archived
					}
					return archivetest.Pass
				}
			})
			if got := archived.event(t.Context(), batch); got.status != http.StatusServiceUnavailable ||
				!strings.Contains(got.value, "rehydrated") {
				t.Errorf("%s: status %d, %s", name, got.status, got.value)
			}
			if w.state(batch).Done || len(w.state(batch).Copies(1)) != 0 {
				t.Errorf("%s: the batch is done, or the copy has an outcome", name)
			}
			w.start(doubt(inDoubtTest)).deliver(batch) // it has been rehydrated
			w.became(batch, "archived: ali imported", "archived: ali imported")
			w.holds(ali, with("m1", picture), "m2")
		}
	})
}

// The batch itself may lie there: a replay after a year.
func TestBatchInTheArchiveTier(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", "long ago", otto, ali)))
		archived := w.start(func(s *start) {
			s.rule = func(r *http.Request) archivetest.Fault {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".ndjson") {
					return archivetest.Archived
				}
				return archivetest.Pass
			}
		})
		if got := archived.event(t.Context(), batch); got.status != http.StatusServiceUnavailable ||
			!strings.Contains(got.value, "rehydrated") {
			t.Errorf("status %d, %s", got.status, got.value)
		}
		w.start().deliver(batch)
		w.became(batch, "archived: ali imported")
	})
}

func TestAttachmentThatIsGone(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		it := w.file(sms("m1", "the file could not be had", jane, ali), "lost.bin", noise(10, 1))
		it["media"] = []record.Media{{Size: 10, Gone: "the site says that there is none"}}
		batch := w.put(w.line(it))
		w.start().deliver(batch)
		w.became(batch, "archived: ali imported, jane imported")
		w.holds(ali, "m1")
		if r, _ := w.state(batch).Record(1); r.Incomplete != 1 {
			t.Errorf("incomplete %d", r.Incomplete)
		}
	})
}

// Files that wait for their mailbox fill the memory; texts go on.
func TestTextDoesNotWaitForMemory(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		memory := semaphore.NewWeighted(importer.MaxMemory)
		a := w.start(func(s *start) { s.bounds.memory = memory })
		if err := memory.Acquire(t.Context(), importer.MaxMemory); err != nil {
			t.Fatal(err)
		}
		text := w.put(w.texts("m", 3)...)
		a.deliver(text)
		w.balanced(text)
		file := w.put(w.line(w.file(sms("m1", "this one has to wait", otto, ali), "small.bin", noise(10, 1))))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := a.event(ctx, file); got.status == http.StatusOK || len(w.copies(ali)) != 3 {
			t.Errorf("status %d, %d messages", got.status, len(w.copies(ali)))
		}
		memory.Release(importer.MaxMemory)
		a.deliver(file)
		w.became(file, "archived: ali imported")
	})
}

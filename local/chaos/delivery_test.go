package chaos

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"o2archiver/local/fault"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/delivery/deliverytest"
)

// delivered is a ZIP that the vendor pushed.
type delivered struct {
	name string
	data []byte
}

const (
	deliveryUser     = "chaos"
	deliveryPassword = "chaos-of-the-vendor"
)

// importsFolder begins the names of the ZIPs of another archive.
const importsFolder = "imports/"

// deliveries is a small day of ZIPs: texts, a picture, a ZIP of several blocks, one that came twice, and one of another
// archive.
func deliveries(onSFTP bool) *day {
	d := newDay(0)
	d.sftp = onSFTP
	picture := make([]byte, 20_000)
	filler := make([]byte, 4_500_000)
	chance := rand.NewChaCha8([32]byte{})
	_, _ = chance.Read(picture) // neither ever fails
	_, _ = chance.Read(filler)
	sum := sha256.Sum256(picture)
	first := d.zip(true, map[string]string{
		"1.eml": eml("m1", jane, ali, "", "The first one goes to both of us"),
		"2.eml": eml("m2", ali, alien, "", "This one leaves the house"),
		"3.eml": eml("m3", jane, alien, string(picture), "See what I found"),
	})
	d.archived(1, "m1", jane, ali)
	d.archived(1, "m2", ali)
	d.archived(1, "m3 "+hex.EncodeToString(sum[:]), jane)
	second := d.zip(true, map[string]string{
		"1.eml": eml("m4", alien, person{number: "447700900901"}, "", "Nobody here gets this"),
		"2.eml": strings.Replace(eml("m5", jane, alien, "", "From no time"), "Date:", "X-Date:", 1),
		"a.bin": string(filler),
	})
	d.records.Unmapped++
	d.records.Quarantined++
	for i, data := range [][]byte{first, second, first} {
		name := fmt.Sprintf("%s0000-TeleMessage_%d_x.zip", d.from.Format("20060102"), i+1)
		d.zips = append(d.zips, delivered{name, data})
	}
	history := d.zip(false, map[string]string{
		"1.eml": ofAnotherArchive(eml("h1@contoso.example", jane, ali, "", "This was in the other archive")),
		"2.eml": ofAnotherArchive(eml("h2@contoso.example", ali, alien, string(picture), "And so was this")),
	})
	d.archived(1, "h1@contoso.example", jane, ali)
	d.archived(1, "h2@contoso.example "+hex.EncodeToString(sum[:]), ali)
	d.zips = append(d.zips, delivered{importsFolder + "history.zip", history})
	return d
}

// eml is a message with a picture, if there is one.
func eml(id string, from, to person, picture, text string) string {
	party := func(p person) string {
		if p.address == "" {
			return fmt.Sprintf("<%s@unknown.example>", p.number)
		}
		return fmt.Sprintf("Someone %s <%s>", p.number, p.address)
	}
	head := "Date: " + time.Now().UTC().Add(-20*time.Hour).Format(time.RFC1123Z) + "\r\nFrom: " + party(from) +
		"\r\nTo: " + party(to) + "\r\nX-TELEMESSAGE-ArchiveMessageID: " + id + "\r\nX-TELEMESSAGE-MessageType: MMS\r\n"
	body := "Content-Type: text/plain\r\n\r\n" + text
	if picture == "" {
		return head + body
	}
	return head + "Content-Type: multipart/mixed; boundary=frontier\r\n\r\n--frontier\r\n" + body +
		"\r\n--frontier\r\n" +
		"Content-Type: image/png; name=kitchen.png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + picture +
		"\r\n--frontier--\r\n"
}

// ofAnotherArchive returns a message without the vendor's identity.
func ofAnotherArchive(eml string) string {
	return strings.Replace(eml, "X-TELEMESSAGE-ArchiveMessageID:", "Message-ID:", 1)
}

// zip returns a ZIP of these files, with a manifest if it is the vendor's, and expects its messages to be collected.
func (d *day) zip(vendors bool, files map[string]string) []byte {
	var entries [][2]string
	list, count := "", 0
	for _, name := range []string{"1.eml", "2.eml", "3.eml", "a.bin"} {
		if content, there := files[name]; there {
			entries = append(entries, [2]string{name, content})
			list += name + "\r\n"
			if strings.HasSuffix(name, ".eml") {
				count++
			}
		}
	}
	if vendors {
		entries = append(entries, [2]string{"list.mf", fmt.Sprintf("Count: %d\r\n%s", count, list)})
	}
	d.records.Collected += count
	return deliverytest.ZIP(zip.Store, entries...)
}

// startVendor brings up the store of a day of deliveries, and returns the settings that name it.
func (w *world) startVendor() []string {
	w.t.Helper()
	pushed := time.Now().Add(-time.Hour)
	if w.day.sftp {
		key := deliverytest.NewKey("ed25519")
		w.sftp = deliverytest.New(deliverytest.Options{HostKeys: []deliverytest.Key{key}, User: deliveryUser,
			Password: deliveryPassword, Methods: []string{"password"}})
		for _, z := range w.day.zips {
			w.sftp.Put(z.name, deliverytest.File{Data: z.data, ModTime: pushed})
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		go w.sftp.Serve(l)
		w.t.Cleanup(func() { l.Close(); w.sftp.Close() })
		return []string{"SOURCE=delivery", "DELIVERY_SFTP_HOST=" + l.Addr().String(),
			"DELIVERY_SFTP_USERNAME=" + deliveryUser, "DELIVERY_SFTP_PASSWORD=" + deliveryPassword,
			"DELIVERY_SFTP_HOST_KEYS=" + deliverytest.PinOf(key)}
	}
	storage := archivetest.ForTest(w.t, func() time.Time { return pushed })
	landing, err := archive.OpenLanding(archive.Config{ConnectionString: storage.ConnectionString(),
		HTTP: storage.Client()}, "", nil)
	if err == nil {
		err = landing.CreateContainer(w.t.Context())
	}
	for _, z := range w.day.zips {
		if err == nil {
			err = landing.Put(w.t.Context(), z.name, bytes.NewReader(z.data))
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	at := w.serve(w.plan.Before("landing", blobCall, forward(storage, storage.BlobURL())))
	return []string{"SOURCE=delivery", "DELIVERY_LANDING=" + accountAt(at, at)}
}

// isDelivered reports whether each ZIP has been read.
func (w *world) isDelivered(ctx context.Context) bool {
	w.t.Helper()
	done := 0
	for _, name := range []string{"delivery.json", "imports.json"} {
		var state struct {
			Open []struct{} `json:"open"`
			Done []struct{} `json:"done"`
		}
		if _, err := w.store.Checkpoints().Get(ctx, name, &state); err != nil || len(state.Open) > 0 {
			return false
		}
		done += len(state.Done)
	}
	return done == len(w.day.zips)
}

// isOfDeliveries reports whether fetch makes calls of a kind for deliveries.
func isOfDeliveries(kind string) bool {
	words := strings.Fields(kind)
	return words[0] == "landing" || words[0] == "blob" && slices.Contains([]string{archive.DeliveriesContainer,
		archive.CheckpointsContainer, archive.BatchesContainer, archive.MediaContainer, archive.StatusContainer},
		words[len(words)-1])
}

// sftpCalls are the phases of SFTP in which something can go wrong, but for Close: nothing depends on it, and the
// engine's own walk has it.
var sftpCalls = map[string]deliverytest.Phase{"sftp accept": deliverytest.Accept, "sftp sign-in": deliverytest.SignIn,
	"sftp subsystem": deliverytest.Subsystem, "sftp opendir": deliverytest.Opendir,
	"sftp readdir": deliverytest.Readdir, "sftp open": deliverytest.Open, "sftp read": deliverytest.Read}

// inEveryWay is the number of calls of a phase that are broken in every way: the first ones, and also the last. Of the
// others, each is broken in one way, in turn: a day of ZIPs is read by more than a hundred calls, and each run takes
// seconds. The long form of the engine's own walk breaks each call in every way.
const inEveryWay = 3

// sftpSteps are what can go wrong with a phase that a day reaches count times. Silence, which is waited for in real
// time, is left to the long form: the engine's own tests have it in virtual time.
func sftpSteps(kind string, count int) (all []step) {
	faults := []fault.Fault{{Kind: fault.ResetRequest}, {Status: http.StatusInternalServerError}}
	if form.Long || form.Shared() {
		faults = append(faults, fault.Fault{Kind: fault.Stall}, fault.Fault{Kind: fault.Stall, Effect: fault.After})
	}
	for n := 1; n <= count; n++ {
		for i, f := range faults {
			if n <= inEveryWay || n == count || n%len(faults) == i {
				all = append(all, step{kind, n, f})
			}
		}
	}
	return all
}

// failSFTP lets a call to the SFTP server go wrong, as a call by HTTP would: broken off, refused, or without an answer
// on this request, or any.
func (w *world) failSFTP(s step) {
	kind := deliverytest.Refuse
	switch {
	case s.fault.Kind == fault.ResetRequest:
		kind = deliverytest.Cut
	case s.fault.Kind == fault.Stall && s.fault.Effect == fault.After:
		kind = deliverytest.Freeze
	case s.fault.Kind == fault.Stall:
		kind = deliverytest.Stall
	}
	w.sftp.Fail(deliverytest.Fault{Phase: sftpCalls[s.kind], Kind: kind, Skip: s.n - 1})
}

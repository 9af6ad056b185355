package deliveries

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/source/delivery/deliverytest"
)

// textOf returns a text of a number of bytes that does not compress well.
func textOf(size int64) string {
	text, _ := io.ReadAll(io.LimitReader(newNoise(4), size)) // noise never fails
	return string(text)
}

// outcomesOf returns the identities of the messages in the batches, and "damaged" or "over" for those with a fault.
func (w *world) outcomesOf() (all []string) {
	w.t.Helper()
	for _, e := range w.entries() {
		switch {
		case e.Fault == "":
			all = append(all, e.ID)
		case strings.Contains(e.Fault, "it is damaged"):
			all = append(all, "damaged")
		case strings.Contains(e.Fault, "all files of the ZIP together"):
			all = append(all, "over")
		default:
			all = append(all, e.Fault)
		}
	}
	return all
}

// What the directory states costs no message its import: messages of a few bytes that state 64 MiB each are damaged,
// and the one behind them is read.
func TestStatedSizesCostNoOther(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		var entries [][2]string
		var want []string
		for n := range 70 {
			entries = append(entries, [2]string{fmt.Sprintf("claim-%d.eml", n), emlHead + "\r\nx"})
			want = append(want, "damaged")
		}
		entries = append(entries, [2]string{"good.eml", emlHead + "X-TELEMESSAGE-ArchiveMessageID: good\r\n\r\nx"})
		raw := deliverytest.ZIP(zip.Deflate, entries...)
		for n := range 70 {
			at := bytes.LastIndex(raw, fmt.Appendf(nil, "claim-%d.eml", n)) - 22 // its size in the directory
			binary.LittleEndian.PutUint32(raw[at:], 64<<20)
		}
		w.shelf.put(nameOf(1), raw, old)
		w.run()
		if diff := cmp.Diff(append(want, "good"), w.outcomesOf()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// The limit of all messages together is over all turns: a ZIP that is read in several has the messages of one that is
// read at once, also if the first turn was one of a former version, which kept no count.
func TestTotalOverSeveralTurns(t *testing.T) {
	virtual(t, func(t *testing.T) {
		var entries [][2]string
		var want []string
		for n := range 230 {
			id := fmt.Sprintf("m%03d", n)
			entries = append(entries, [2]string{id + ".eml",
				emlHead + "X-TELEMESSAGE-ArchiveMessageID: " + id + "\r\n\r\n" + textOf(1000)})
			if n >= 220 {
				id = "over"
			}
			want = append(want, id)
		}
		size := int64(len(entries[0][1]))
		for name, change := range map[string]func(*State){
			"as it is":         func(*State) {},
			"a former version": func(s *State) { s.Open[0].Progress.Counted = 0 },
		} {
			w := newWorld(t)
			w.shelf.put(nameOf(1), deliverytest.ZIP(zip.Deflate, entries...), old)
			turns := 0
			for ; turns == 0 || len(w.state().Open) > 0; turns++ {
				d := w.intake(w.Store)
				d.contents.Total = 220*size + size/2
				// The pause that a batch ends with ends the turn.
				batches := len(w.batches())
				w.paused = func() bool { return len(w.batches()) > batches }
				_, _ = w.try(t.Context(), d)
				w.clock.Add(time.Hour)
				if turns > 5 {
					t.Fatalf("%s: %d turns", name, turns)
				}
				s := w.state()
				if len(s.Open) == 0 {
					continue
				}
				if p := s.Open[0].Progress; p.Next > 0 && p.Counted != int64(p.Next)*size+1 {
					t.Errorf("%s: %d bytes of %d messages", name, p.Counted-1, p.Next)
				}
				change(&s)
				raw, err := json.Marshal(s)
				if err != nil || bytes.Contains(raw, []byte("counted")) != (name == "as it is") {
					t.Fatalf("%s: %s, %v", name, raw, err)
				}
				_, err = w.Store.Checkpoints().Put(t.Context(), StateName, s, "*", nil)
				if err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, w.outcomesOf()); diff != "" || turns < 3 {
				t.Errorf("%s: %d turns (-want +got):\n%s", name, turns, diff)
			}
		}
	})
}

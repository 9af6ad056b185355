package deliveries

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/firsts"
)

// Of two messages with one id and other content, the later one names the first, in another batch of the ZIP; also if an
// earlier turn has written that. One in the same batch, or with the same content, names none.
func TestLaterMessageNamesTheFirst(t *testing.T) {
	virtual(t, func(t *testing.T) {
		message := func(id, text string) [2]string {
			return [2]string{id + text + ".eml", "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: Jane 447700900123 " +
				"<jane@contoso.com>\r\nTo: <447700900456@unknown.example>\r\nX-TELEMESSAGE-ArchiveMessageID: " + id +
				"\r\nX-TELEMESSAGE-MessageType: SMS\r\nContent-Type: text/plain\r\n\r\n" + text}
		}
		entries := [][2]string{message("near", "one"), message("near", "two"), message("far", "one"),
			message("same", "one")}
		for i := range 2 * firsts.MaxRecords {
			entries = append(entries, message(fmt.Sprint("other", i), "x"))
		}
		entries = append(entries, message("far", "two"), message("same", "one"), message("near", "three"))
		for _, pauses := range []int{0, 2} { // batches after which the ZIP is paused
			w := newWorld(t)
			w.shelf.put(nameOf(1), zipOf(entries...), old)
			asked := 0
			w.paused = func() bool { asked++; return pauses > 0 && asked == 1+pauses }
			for range 2 {
				w.run()
			}
			var got []string
			for _, e := range w.entries() {
				if e.Earlier != nil {
					got = append(got, fmt.Sprint(e.ID, " ", path.Base(e.Earlier.Batch), " ", e.Earlier.Line))
				}
			}
			if diff := cmp.Diff([]string{"far 00001.ndjson 3", "near 00001.ndjson 1"}, got); diff != "" {
				t.Errorf("paused after %d batches (-want +got):\n%s", pauses, diff)
			}
			if pauses > 0 && !strings.Contains(w.Log.String(), "fetch.paused") {
				t.Error("there was no pause")
			}
		}
	})
}

package mailbox

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"o2archiver/shared/mailbox/mailboxtest"
)

// BenchmarkImport is creates through the SDK on loopback with 64 imports at a time: against a server that does
// nothing, which shows what the client costs, and against the stand-in.
func BenchmarkImport(b *testing.B) {
	idle := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w,
			`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#x","id":"AAMk","isDraft":false,`+
				`"subject":"SMS","body":{"contentType":"text","content":"Hello"},"toRecipients":[],`+
				`"hasAttachments":false}`)
	}))
	b.Cleanup(idle.Close)
	var users []mailboxtest.User
	for i := range 100 {
		users = append(users, mailboxtest.User{ID: fmt.Sprintf("55555555-5555-4555-8555-%012d", i)})
	}
	_, standIn := open(b, mailboxtest.Options{Users: users, Limits: mailboxtest.Limits{Off: true}})
	for name, c := range map[string]*Client{"client": client(b, idle.URL), "stand-in": standIn} {
		b.Run(name, func(b *testing.B) {
			var n atomic.Int64
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(n.Add(1))
					s, err := c.OpenSession(b.Context(), users[i%len(users)].ID)
					if err != nil {
						b.Fatal(err)
					}
					if name == "client" {
						s.mailbox.mu.Lock()
						s.mailbox.folder = "folder"
						s.mailbox.mu.Unlock()
					}
					if _, err := s.Import(b.Context(), sms(i), nil); err != nil {
						b.Fatal(err)
					}
					s.Release()
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "creates/s")
		})
	}
}

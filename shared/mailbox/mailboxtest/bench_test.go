package mailboxtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"o2archiver/shared/mailbox/mailboxtest"
)

// discard is a ResponseWriter for a benchmark of the stand-in alone.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkCreate(b *testing.B) {
	g := mailboxtest.New(mailboxtest.Options{Users: []mailboxtest.User{{ID: anna, UPN: "a@contoso.example"}},
		Limits: mailboxtest.Limits{Off: true}})
	body, _ := json.Marshal(message("ab"))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		r := httptest.NewRequest("POST", "/v1.0/users/"+anna+"/mailFolders/inbox/messages",
			strings.NewReader(string(body)))
		r.Header = http.Header{"Authorization": {"Bearer local"}, "Content-Type": {"application/json"},
			"Prefer": {immutable}}
		g.ServeHTTP(discard{http.Header{}}, r)
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "kept-B/op")
	if n := len(g.Messages(anna)); n != b.N {
		b.Fatalf("%d messages of %d", n, b.N)
	}
}

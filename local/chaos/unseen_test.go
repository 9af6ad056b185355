package chaos

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
)

// hostsClient is in the User-Agent of the real host's own requests, and in none of our apps'.
const hostsClient = "azsdk-net-"

var listed = regexp.MustCompile(`(?s)<Blob><Name>([^<]*)</Name>.*?</Blob>`)

// unseen keeps the batches whose event is lost from the real host: it finds batches by listing them, and does not find
// these.
func (w *world) unseen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.day.lost == nil || r.URL.Query().Get("comp") != "list" || !strings.Contains(r.UserAgent(), hostsClient) {
			next.ServeHTTP(rw, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := listed.ReplaceAllStringFunc(answer.Body.String(), func(blob string) string {
			if w.day.lost(listed.FindStringSubmatch(blob)[1]) {
				return ""
			}
			return blob
		})
		for name, values := range answer.Header() {
			rw.Header()[name] = values
		}
		rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write([]byte(body))
	})
}

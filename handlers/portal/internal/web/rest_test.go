package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestBodyThatDoesNotEnd: a client that states a body and sends only a part of it is answered, and its connection is
// closed: whatever the size of the rest, no goroutine waits for it.
func TestBodyThatDoesNotEnd(t *testing.T) {
	w := newWorldWith(t, time.Millisecond)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	for _, stated := range []string{"Content-Length: 1000", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
		for _, line := range []string{"POST /nothing", "POST /change", "GET /read"} {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // of a test that fails
			if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: %s\r\n\r\n5\r\nx", line,
				stated, "application/x-www-form-urlencoded"); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s, %s: no answer: %v", line, stated, err)
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || !answer.Close {
				t.Errorf("%s, %s: status %d, closed %v, %v", line, stated, answer.StatusCode, answer.Close, err)
			}
			if _, err := r.ReadByte(); err == nil {
				t.Errorf("%s, %s: more than an answer", line, stated)
			} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Errorf("%s, %s: the connection stays open", line, stated)
			}
		}
	}
}

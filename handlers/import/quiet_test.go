package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// talkative is Graph behind a server that sends more bytes than its answers have, once a message has been created.
func (w *world) talkative(sent *atomic.Int32) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages") {
			w.graph.ServeHTTP(rw, r)
			return
		}
		answer := httptest.NewRecorder()
		w.graph.ServeHTTP(answer, r)
		conn, buf, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			w.t.Error(err)
			return
		}
		defer conn.Close()
		answer.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
		fmt.Fprintf(buf, "HTTP/1.1 %d Created\r\n", answer.Code)
		_ = answer.Header().Write(buf)
		fmt.Fprintf(buf, "\r\n%s", answer.Body)
		_ = buf.Flush()
		time.Sleep(100 * time.Millisecond) // the client has read its answer, and keeps the connection
		fmt.Fprint(buf, confidential)
		_ = buf.Flush()
		sent.Add(1)
		time.Sleep(200 * time.Millisecond)
	}))
	w.t.Cleanup(server.Close)
	return server
}

// What Graph and storage send is nowhere in what the handler writes, whatever the libraries think of it, and whatever
// they are told to say.
func TestLibrariesWriteNothing(t *testing.T) {
	w := newWorldOnAzurite(t)
	var behind atomic.Int32
	server := w.talkative(&behind)
	w.address = server.URL
	w.secret(confidential, "Unsolicited", "REQUEST/RESPONSE", strings.TrimPrefix(server.URL, "http://"))
	const told = `{"time":"the libraries were told to write"}`
	p := w.spawn(os.Args[0], asHandler+"="+told, "GODEBUG=http2debug=2", "AZURE_SDK_GO_LOGGING=all")
	within(t, "the libraries are told to write", func() bool { return strings.Contains(w.log.String(), told) })
	batch := w.put(w.line(sms("m1", "a text", jane, otto)))
	if status := p.event(batch, "invocation"); status != http.StatusOK {
		t.Fatalf("status %d:\n%s", status, w.log)
	}
	w.became(batch, "archived: jane imported")
	within(t, "bytes are sent behind an answer", func() bool { return behind.Load() > 0 })
	within(t, "the batch's end is logged",
		func() bool { return strings.Contains(w.log.String(), `"event":"import.batchImported"`) })
	for line := range bytes.Lines([]byte(w.log.String())) {
		if !bytes.HasPrefix(line, []byte(`{"time":`)) {
			t.Errorf("a line that is not the handler's: %s", line)
		}
	}
}

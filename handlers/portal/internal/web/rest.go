package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	hostBody = 104_857_600      // bytes of a body that the host passes on; it refuses a larger one itself
	restTime = 60 * time.Second // for reading the rest of a body
)

// restReader is a ResponseWriter that reads the rest of the request's body, and discards it, before the first byte of
// the answer. The host can't pass on a large body to a handler that has closed the connection: it repeats the request
// for seconds, and answers 500 in place of the handler's answer, so that a person whose file is too large would not
// learn why. No more than a buffer of it is in memory.
type restReader struct {
	http.ResponseWriter
	body  io.Reader
	wait  time.Duration // for the rest of the body
	began bool          // the answer; the body is read by then
}

// Unwrap is for http.ResponseController.
func (w *restReader) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *restReader) WriteHeader(status int) {
	w.discard()
	w.ResponseWriter.WriteHeader(status)
}

func (w *restReader) Write(p []byte) (int, error) {
	w.discard()
	return w.ResponseWriter.Write(p)
}

func (w *restReader) discard() {
	if w.began {
		return
	}
	w.began = true
	to := http.NewResponseController(w.ResponseWriter)
	_ = to.SetReadDeadline(time.Now().Add(w.wait)) // a ResponseWriter of a test has none
	if _, err := io.CopyN(io.Discard, w.body, hostBody+1); errors.Is(err, io.EOF) {
		_ = to.SetReadDeadline(time.Time{})
		return
	}
	// The body does not end. Package http would read the rest of it itself, before the answer and again after it: a
	// connection that is to be closed is answered at once, and a deadline in the past ends what is read after it.
	w.Header().Set("Connection", "close")
	_ = to.SetReadDeadline(time.Unix(1, 0))
}

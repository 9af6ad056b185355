package web

import (
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
	began bool // the answer; the body is read by then
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
	_ = to.SetReadDeadline(time.Now().Add(restTime)) // a ResponseWriter of a test has none
	_, _ = io.CopyN(io.Discard, w.body, hostBody)    // a client that is gone learns nothing anyway
	_ = to.SetReadDeadline(time.Time{})
}

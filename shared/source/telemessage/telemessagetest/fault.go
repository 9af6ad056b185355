package telemessagetest

import (
	"io"
	"net/http"
	"time"
)

// Fault is one way to fail. Stall comes first; of the other fields the first one that is set applies, in this order.
type Fault struct {
	Times int // number of consecutive calls that fail; 0 means 1

	Stall      time.Duration // wait this long, or until the client gives up; alone, the right answer follows
	Reset      bool          // close the connection without an answer
	Status     int           // answer with this status, and with RetryAfter, Location and Body
	RetryAfter string
	Location   string
	Body       string
	HTML       bool // status 200 and an HTML page
	Empty      bool // status 200 and an empty body
	// With Cut, the first Cut bytes of the right answer are sent, then the connection is closed. A shorter answer is
	// sent completely.
	Cut        int
	StallAfter int // send the first StallAfter bytes of the right answer, then nothing until the client gives up
}

// plan is a fault with the calls that it applies to.
type plan struct {
	first, last int // calls of the kind, counted from 1
	fault       Fault
}

// Fail makes the n-th request of the kind from now on fail. n is 1 for the next one.
func (s *Site) Fail(kind string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.calls[kind] + n
	s.plans[kind] = append(s.plans[kind], plan{first, first + max(1, f.Times) - 1, f})
}

// fail counts the request, and makes it fail if that is planned. answered means that the request was answered.
func (s *Site) fail(kind string, w http.ResponseWriter, r *http.Request) (_ http.ResponseWriter, answered bool) {
	s.mu.Lock()
	s.calls[kind]++
	call := s.calls[kind]
	var f Fault
	for _, p := range s.plans[kind] {
		if call >= p.first && call <= p.last {
			f = p.fault
		}
	}
	s.mu.Unlock()

	if f.Stall > 0 {
		timer := time.NewTimer(f.Stall)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Reset:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		for name, value := range map[string]string{"Retry-After": f.RetryAfter, "Location": f.Location} {
			if value != "" {
				w.Header().Set(name, value)
			}
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	case f.HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>The site is under maintenance.</body></html>")
	case f.Empty:
		w.Header().Set("Content-Length", "0")
	case f.Cut > 0:
		return &cutter{ResponseWriter: w, left: f.Cut}, false
	case f.StallAfter > 0:
		return &cutter{ResponseWriter: w, left: f.StallAfter, silence: r.Context().Done()}, false
	default:
		return w, false
	}
	return w, true
}

// cutter is a ResponseWriter that sends the first left bytes of the answer only.
type cutter struct {
	http.ResponseWriter
	left    int
	silence <-chan struct{} // if not nil, send nothing more until it is closed; otherwise close the connection
}

func (c *cutter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; err != nil || c.left > 0 {
		return n, err
	}
	if err := http.NewResponseController(c.ResponseWriter).Flush(); err != nil {
		return n, err
	}
	if c.silence != nil {
		<-c.silence
	}
	panic(http.ErrAbortHandler)
}

package telemessagetest

import (
	"io"
	"net/http"
	"time"
)

// Fault is one way to fail. The fields are tried in their order; the first that is set decides, after Stall.
type Fault struct {
	Times int // how many calls in a row; 0 stands for 1

	Stall      time.Duration // say nothing for so long, or until the client gives up; alone, the answer then is the right one
	Reset      bool          // close the connection without an answer
	Status     int           // this status, with RetryAfter, Location and Body
	RetryAfter string
	Location   string
	Body       string
	HTML       bool // status 200 and a page of HTML
	Empty      bool // status 200 and nothing
	Cut        int  // the first Cut bytes of the right answer, then close the connection; a shorter answer comes whole
	StallAfter int  // the first StallAfter bytes of the right answer, then silence until the client gives up
}

type plan struct {
	first, last int // calls of the kind, from 1
	fault       Fault
}

// Fail lets the n-th request of the kind from now on fail: n is 1 for the next one.
func (s *Site) Fail(kind string, n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.calls[kind] + n
	s.plans[kind] = append(s.plans[kind], plan{first, first + max(1, f.Times) - 1, f})
}

// fail counts the request and lets it fail if that is planned. answered: nothing is left to do.
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

// cutter lets so many bytes of the answer through.
type cutter struct {
	http.ResponseWriter
	left    int
	silence <-chan struct{} // not nil: say nothing more until it is closed
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

package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// repeats are the pauses between the host's attempts to hand a request on, as its log states them.
var repeats = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond,
	250 * time.Millisecond, 250 * time.Millisecond, 250 * time.Millisecond, 250 * time.Millisecond,
	250 * time.Millisecond, 250 * time.Millisecond}

const (
	triesEach     = 4               // connections that may break in one attempt; 1 for a POST with an empty body
	awaitContinue = 1 * time.Second // before a body is sent unasked
)

// repeater hands a request on to the handler, and again if the connection breaks before the headers of an answer.
//
// Functions host 4.1045: a GET or HEAD comes 40 times within 2 s, and so does a POST whose client still waits to send
// its body (Expect: 100-continue); a POST with an empty body comes 10 times. Of a request whose body was sent the host
// has no copy, so the handler gets it once; the client waits for its answer as long. A handler that is down is tried
// once in each attempt.
type repeater struct {
	address   func() string // of the handler that runs now
	transport *http.Transport
	log       *lines
	pause     time.Duration // replaces those of the host; 0: it does not
}

func newRepeater(address func() string, log *lines, pause time.Duration) *repeater {
	return &repeater{address: address, log: log, pause: pause, transport: &http.Transport{
		DisableCompression:     true, // nothing is added to the request
		ExpectContinueTimeout:  awaitContinue,
		MaxResponseHeaderBytes: maxAnswerHeaders,
		// A connection that was used before makes the transport repeat a request by itself.
		MaxIdleConnsPerHost: -1,
	}}
}

// RoundTrip implements http.RoundTripper.
func (t *repeater) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	body := &sentBody{}
	if r.Body != nil && r.Body != http.NoBody {
		body.from, r.Body = r.Body, body
	}
	tries := triesEach
	if r.Method == http.MethodPost && r.Header.Get("Expect") == "" {
		tries = 1
	}
	for n := range len(repeats) + 1 {
		if n > 0 {
			pause := repeats[n-1]
			if t.pause > 0 {
				pause = t.pause
			}
			t.log.say(fmt.Sprintf("host: failed to hand a request on, attempt %d of %d: %v", n, len(repeats)+1, err))
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return nil, context.Cause(r.Context())
			}
		}
		for range tries {
			if body.read.Load() {
				break
			}
			r.URL.Host = strings.TrimPrefix(t.address(), "http://")
			r.Host = r.URL.Host
			if resp, err = t.transport.RoundTrip(r); err == nil {
				return resp, nil
			}
			if _, large := errors.AsType[*http.MaxBytesError](err); large || r.Context().Err() != nil {
				return nil, err
			}
			if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
				break
			}
		}
	}
	return nil, err
}

// sentBody is the body of a request that may be handed on several times until its first byte is read.
type sentBody struct {
	from io.Reader
	read atomic.Bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.from.Read(p)
}

// Close does nothing, so that the body can still be read by the next try.
func (b *sentBody) Close() error { return nil }

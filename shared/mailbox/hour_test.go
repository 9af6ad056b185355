package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/mailbox/mailboxtest"
)

// inProcess is a way to the stand-in without sockets: virtual time passes only where everybody waits for time. around
// may be nil.
type inProcess struct {
	graph  http.Handler
	around func(r *http.Request, next func() *http.Response) *http.Response
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	next := func() *http.Response {
		r := r.Clone(r.Context())
		r.Host = r.URL.Host
		if r.Body == nil {
			r.Body = http.NoBody
		}
		answer := httptest.NewRecorder()
		p.graph.ServeHTTP(answer, r)
		return answer.Result()
	}
	if p.around != nil {
		return p.around(r, next), nil
	}
	return next(), nil
}

// virtual is open without sockets, for a bubble of testing/synctest. A credential's token there lasts for an hour of
// virtual time.
func virtual(t *testing.T, o mailboxtest.Options, change ...func(*Config, *inProcess)) (*mailboxtest.Graph, *Client) {
	t.Helper()
	g := mailboxtest.New(o)
	return g, client(t, "http://127.0.0.1", func(config *Config) {
		way := &inProcess{graph: g}
		config.HTTP, config.Permits = way, 4
		for _, f := range change {
			f(config, way)
		}
	})
}

// together runs f in so many goroutines at once, and waits.
func together(many int, f func(i int)) {
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

// One mailbox gets what Graph allows it in an hour, and not one answer 429: texts, each one request once the folder is
// known. The short form ends before the quota of the first ten minutes is used up. The attributes are for the bench
// command.
func TestHourOfImports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const latency = 50 * time.Millisecond
		g, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}, Latency: latency})
		span := 20 * time.Second
		want := int64(4 * span / latency * 95 / 100)
		if soak.ForTest(t).Long {
			span, want = time.Hour, 6*maxRequests*95/100
		}
		end := time.Now().Add(span)
		var done atomic.Int64
		together(12, func(i int) {
			for n := i; time.Now().Before(end); n += 12 {
				s, err := c.Queue(alice, c.Cost(100, nil)).Slot(t.Context())
				if err == nil {
					_, err = s.Import(t.Context(), sms(n), nil)
					s.Release()
				}
				if err != nil {
					t.Error(err)
					return
				}
				if time.Now().Before(end) {
					done.Add(1)
				}
			}
		})
		n := g.Requests()
		t.Attr("copies", fmt.Sprint(done.Load()))
		t.Attr("throttled", fmt.Sprint(n.Throttled))
		if n.Throttled > 0 || n.MaxConcurrent[alice] > 4 {
			t.Errorf("%d answers 429, %d requests at once", n.Throttled, n.MaxConcurrent[alice])
		}
		if done.Load() < want {
			t.Errorf("%d texts in %v, want %d", done.Load(), span, want)
		}
		if in, copies := int64(len(g.Messages(alice))), n.Kinds[mailboxtest.Create]; in < done.Load() ||
			int64(copies) != in {
			t.Errorf("%d messages of %d requests, %d imported in time", in, copies, done.Load())
		}
	})
}

// The same for the bytes of uploads. The short form uses the quota of five minutes three times.
func TestHourOfUploads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}, Latency: 100 * time.Millisecond,
			Limits: mailboxtest.Limits{UploadPerFiveMinutes: maxBytes}})
		span, want := 11*time.Minute, int64(3*maxBytes*95/100)
		if soak.ForTest(t).Long {
			span, want = time.Hour, 12*maxBytes*95/100
		}
		end := time.Now().Add(span)
		together(12, func(i int) {
			for n := i; time.Now().Before(end); n += 12 {
				size := int64(3_000_000 + n%5*1_000_000)
				s, err := c.Queue(alice, c.Cost(100, []int64{size})).Slot(t.Context())
				if err == nil {
					_, err = s.Import(t.Context(), zeros(n, size), nil)
					s.Release()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		n := g.Requests()
		if n.Throttled > 0 || n.MaxConcurrent[alice] > 4 {
			t.Errorf("%d answers 429, %d requests at once", n.Throttled, n.MaxConcurrent[alice])
		}
		if n.UploadedBytes < want {
			t.Errorf("%d bytes in %v, want %d", n.UploadedBytes, span, want)
		}
	})
}

// zeros is a message with an attachment that is quickly made.
func zeros(n int, size int64) *Message {
	m, given := sms(n), false
	m.Next = func() (*Attachment, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		return &Attachment{Name: "call.wav", Type: "audio/wav", Size: size, Body: io.LimitReader(blank{}, size)}, nil
	}
	return m
}

type blank struct{}

func (blank) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Mailboxes that are throttled for long take no time from the others, and slow ones only that of their requests under
// way.
func TestOthersAreAsFastAsEver(t *testing.T) {
	t.Parallel()
	const (
		mailboxes = 250
		troubled  = 4 // of each sort
		each      = 8 // messages at the troubled ones; the others get half
		atOnce    = 16
	)
	user := func(i int) string { return fmt.Sprintf("55555555-5555-4555-8555-%012d", i) }
	others := func(t *testing.T, slowOnes, throttledOnes bool) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			var users []mailboxtest.User
			numbers := map[string]int{}
			for i := range mailboxes {
				users = append(users, mailboxtest.User{ID: user(i)})
				numbers[user(i)] = i
			}
			var refused, slow atomic.Int64
			_, c := virtual(t, mailboxtest.Options{Users: users, Latency: 100 * time.Millisecond},
				func(config *Config, way *inProcess) {
					config.AtOnce, config.Permits = atOnce, 1
					way.around = func(r *http.Request, next func() *http.Response) *http.Response {
						if !strings.HasSuffix(r.URL.Path, "/messages") { // the folders are never in trouble
							return next()
						}
						switch to := numbers[strings.Split(r.URL.Path, "/")[3]]; {
						case throttledOnes && to < troubled:
							time.Sleep(100 * time.Millisecond)
							refused.Add(1)
							return &http.Response{StatusCode: http.StatusTooManyRequests,
								Header: http.Header{"Retry-After": {"300"}}, Body: http.NoBody, Request: r}
						case slowOnes && to >= troubled && to < 2*troubled:
							slow.Add(1)
							time.Sleep(20 * time.Second)
						}
						return next()
					}
				})
			ctx, stop := context.WithCancel(t.Context())
			began := time.Now()
			var group, well sync.WaitGroup
			for i := range mailboxes {
				to, n, of := user(i), each/2, &well
				if i < 2*troubled {
					n, of = each, &group
				}
				for range n {
					turn := c.Queue(to, c.Cost(100, nil))
					of.Go(func() {
						for {
							s, err := turn.Admit(ctx, noMemory)
							if err == nil {
								_, err = s.Import(ctx, sms(i), nil)
								s.Release()
							}
							if e, ok := errors.AsType[*Error](err); ok && e.Kind == Throttled {
								turn = c.Queue(to, c.Cost(100, nil))
								continue
							}
							if err != nil && ctx.Err() == nil {
								t.Error(err)
							}
							return
						}
					})
				}
			}
			well.Wait()
			took = time.Since(began)
			stop()
			group.Wait()
			if throttledOnes && (refused.Load() == 0 || refused.Load() > troubled) || slowOnes && slow.Load() == 0 {
				t.Errorf("%d requests to the throttled mailbox, %d to the slow one", refused.Load(), slow.Load())
			}
		})
		return took
	}
	well, slow, both := others(t, false, false), others(t, true, false), others(t, true, true)
	// A slow mailbox has its few requests under way: those are not there for the others. Who is served last differs
	// from run to run.
	if limit := well * atOnce / (atOnce - troubled) * 103 / 100; slow > limit {
		t.Errorf("beside slow mailboxes the others took %v, and %v without", slow, well)
	}
	if limit := slow * 107 / 100; both > limit {
		t.Errorf("beside throttled mailboxes the others took %v, and %v without", both, slow)
	}
}

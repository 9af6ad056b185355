package main

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/shared/archive"
	"o2archiver/shared/ledger"
	"o2archiver/shared/tally"
)

// served counts the requests that Azurite has answered, by its access log. totals are those for the totals of batches:
// rows, and documents of the reports.
type served struct{ blobs, tables, totals atomic.Int64 }

// note counts a line of the log.
func (s *served) note(line string) {
	_, request, _ := strings.Cut(line, `"`)
	_, path, _ := strings.Cut(request, " ")
	path = strings.TrimPrefix(path, "/"+azurite.Account+"/")
	switch {
	case strings.HasPrefix(path, ledger.Table):
		s.tables.Add(1)
	case strings.HasPrefix(path, tally.TableName), strings.HasPrefix(path, archive.ReportsContainer+"/"):
		s.totals.Add(1)
	default:
		s.blobs.Add(1)
	}
}

// count returns the numbers so far. Lines of the log come after the answers, so it waits until none has come for 100
// ms.
func (s *served) count() (blobs, tables int64) {
	for range 50 {
		blobs, tables = s.blobs.Load(), s.tables.Load()
		time.Sleep(100 * time.Millisecond)
		if s.blobs.Load() == blobs && s.tables.Load() == tables {
			break
		}
	}
	return blobs, tables
}

// creates is a middleware in front of Graph that records when each message was created.
type creates struct {
	mu   sync.Mutex
	done []time.Time
}

// wrap returns the middleware in front of a handler.
func (c *creates) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(rw, r)
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/messages") {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.done = append(c.done, time.Now())
		}
	})
}

// begin forgets the creates so far.
func (c *creates) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = nil
}

// middle returns the rate of creates, in creates per second, without the first and the last tenth.
func (c *creates) middle() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to := len(c.done)/10, len(c.done)*9/10
	if to <= from {
		return math.NaN()
	}
	return float64(to-from) / c.done[to].Sub(c.done[from]).Seconds()
}

// logged passes on what the handlers write, and counts it, because logs have a price.
type logged struct {
	to    io.Writer
	lines atomic.Int64
	bytes atomic.Int64
}

func (l *logged) Write(p []byte) (int, error) {
	l.lines.Add(int64(bytes.Count(p, []byte("\n"))))
	l.bytes.Add(int64(len(p)))
	return l.to.Write(p)
}

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// meter shows how many of the records that were fetched so far are imported: as a bar on a terminal, as a line now and then elsewhere.
type meter struct {
	out  io.Writer
	bar  *progressbar.ProgressBar // nil: no terminal
	now  func() time.Time
	said time.Time
	done int
	all  int
}

// sayEvery is for an output without a terminal, which keeps every line.
const sayEvery = 30 * time.Second

func newMeter(out io.Writer, now func() time.Time) *meter {
	m := &meter{out: out, now: now, said: now()}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			m.bar = progressbar.NewOptions(1, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("Importing"),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"),
				progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionOnCompletion(func() { fmt.Fprintln(out) }))
		}
	}
	return m
}

// set takes how many of all records are imported. While fetch is at work, all still grows.
func (m *meter) set(done, all int, fetching bool) {
	m.done, m.all = done, all
	switch {
	case all == 0:
	case m.bar != nil:
		m.bar.Describe("Importing")
		if fetching {
			m.bar.Describe("Fetching and importing")
		}
		m.bar.ChangeMax(all)
		if done < all { // a full bar ends itself, and the source may still have more
			_ = m.bar.Set(done)
		}
	case m.now().Sub(m.said) < sayEvery:
	case fetching:
		m.said = m.now()
		fmt.Fprintf(m.out, "Imported %d records so far; fetch is still at work\n", done)
	default:
		m.say()
	}
}

func (m *meter) say() {
	m.said = m.now()
	fmt.Fprintf(m.out, "Imported %d of %d records\n", m.done, m.all)
}

func (m *meter) finish() {
	if m.bar != nil {
		_ = m.bar.Finish()
		return
	}
	m.say()
}

// stop ends the bar where it is.
func (m *meter) stop() {
	if m.bar != nil {
		_ = m.bar.Exit()
		fmt.Fprintln(m.out)
		return
	}
	m.say()
}

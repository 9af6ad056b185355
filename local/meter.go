package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// meter shows how many records were fetched and imported so far: on a terminal in one line that is written anew, elsewhere as a
// line now and then.
type meter struct {
	out      io.Writer
	terminal bool
	now      func() time.Time
	print    *message.Printer

	said     time.Time
	shown    string // on the terminal
	fetched  int
	imported int
	fetching bool
}

// sayEvery is for an output without a terminal, which keeps every line.
const sayEvery = 10 * time.Second

func newMeter(out io.Writer, now func() time.Time) *meter {
	m := &meter{out: out, now: now, said: now(), print: message.NewPrinter(language.English), fetching: true}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		m.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return m
}

// set takes how many records were fetched and imported so far. Neither number ever falls on the display.
func (m *meter) set(fetched, imported int, fetching bool) {
	m.fetched, m.imported, m.fetching = max(m.fetched, fetched), max(m.imported, imported), fetching
	if m.terminal {
		m.draw()
	} else if m.now().Sub(m.said) >= sayEvery {
		m.said = m.now()
		fmt.Fprintln(m.out, m.text())
	}
}

func (m *meter) text() string {
	text := m.print.Sprintf("Fetched %d · imported %d records", m.fetched, m.imported)
	if m.fetching {
		text += "; fetch is still at work"
	}
	return text
}

// draw writes the line anew: back to its beginning, and erase what is there (ECMA-48 section 8.3.41, EL).
func (m *meter) draw() {
	if text := m.text(); text != m.shown {
		m.shown = text
		fmt.Fprint(m.out, "\r\x1b[K"+text)
	}
}

// end leaves the numbers as they are and ends the line.
func (m *meter) end() {
	if m.terminal {
		m.draw()
		fmt.Fprintln(m.out)
		return
	}
	fmt.Fprintln(m.out, m.text())
}

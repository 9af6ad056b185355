package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// meter shows how many records were fetched and imported so far: on a terminal in one line that is redrawn, elsewhere
// as one line per sayEvery.
type meter struct {
	out      io.Writer
	terminal bool
	now      func() time.Time
	print    *message.Printer

	said     time.Time // when a line was last printed
	shown    string    // the current line on the terminal
	fetched  int
	imported int
	fetching bool
}

// sayEvery is the interval between lines if the output is not a terminal.
const sayEvery = 10 * time.Second

func newMeter(out io.Writer, now func() time.Time) *meter {
	m := &meter{out: out, now: now, said: now(), print: message.NewPrinter(language.English), fetching: true}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		m.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	}
	return m
}

// set sets how many records were fetched and imported so far. The numbers shown never decrease.
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

// draw redraws the line: it returns to the line's beginning and erases it (ECMA-48 section 8.3.41, EL).
func (m *meter) draw() {
	if text := m.text(); text != m.shown {
		m.shown = text
		fmt.Fprint(m.out, "\r\x1b[K"+text)
	}
}

// end prints the final numbers and ends the line.
func (m *meter) end() {
	if m.terminal {
		m.draw()
		fmt.Fprintln(m.out)
		return
	}
	fmt.Fprintln(m.out, m.text())
}

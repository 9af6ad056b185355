package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxLog bounds what is read of one journal, of which only the state stays in memory. A batch of 100 records for 600 people each
// makes about 25 MiB. Writing ends well before it, plans first, so that no journal becomes unreadable.
const (
	maxLog      = 2 << 30
	maxPlans    = maxLog / 4
	maxOutcomes = maxLog / 2
)

// bounds are the lengths of a log from which on lines of a type are no longer added.
type bounds struct{ plans, outcomes int64 }

// The types of lines.
const (
	lineOpen   = "open"   // a delivery of the batch begins to write
	linePlan   = "plan"   // which mailboxes a record goes to; it replaces an earlier plan for the same record
	lineCopy   = "copy"   // a copy has an outcome
	lineRecord = "record" // a record has an outcome
	lineDone   = "done"   // every record has one
	lineTorn   = "torn"   // the line before this one broke off and does not count
)

// line is one line of a journal.
type line struct {
	Type       string    `json:"t"`
	At         time.Time `json:"at"`
	Prev       string    `json:"prev"` // hex SHA-256 of the line before, without its end
	Batch      string    `json:"batch,omitempty"`
	Invocation string    `json:"invocation,omitempty"`
	Plan       []plan    `json:"plan,omitempty"`
	Copy       *Copy     `json:"copy,omitempty"`
	Record     *Record   `json:"record,omitempty"`
	Totals     *Totals   `json:"totals,omitempty"`
}

// plan says which mailboxes one line of the batch goes to.
type plan struct {
	Line      int      `json:"line"`
	Mailboxes []string `json:"mailboxes"`
}

// chain is where the next line is fastened.
type chain struct {
	prev string // hash of the last line
	torn bool   // the log ends in the middle of that line
}

func newChain(batch string) chain { return chain{prev: chainSum([]byte(batch))} }

// parseLog reads a journal line by line, checks the chain and gives what the lines say. A last line without its end is
// not believed but reported in the chain: an append is all or nothing, so none is expected.
func parseLog(r io.Reader, batch string) (State, chain, error) {
	var state State
	c := newChain(batch)
	in := bufio.NewReaderSize(r, 64<<10)
	broken := false // the last line could not be read; only a line "torn" may follow
	var last *line  // counts when the next one does not say that it is torn
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return State{}, c, fmt.Errorf("read a journal: %w", err)
		}
		if err != nil { // the end
			if broken {
				return State{}, c, fmt.Errorf("%w: line %d can't be read", ErrTampered, number-1)
			}
			if last != nil {
				state.apply(*last)
			}
			if len(text) > 0 {
				c = chain{prev: chainSum(text), torn: true}
			}
			return state, c, nil
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		var l line
		bad := json.Unmarshal(text, &l) != nil
		switch {
		case bad && broken:
			return State{}, c, fmt.Errorf("%w: line %d can't be read", ErrTampered, number-1)
		case !bad && l.Prev != c.prev:
			return State{}, c, fmt.Errorf("%w: line %d does not follow from the one before it", ErrTampered, number)
		case !bad && broken && l.Type != lineTorn:
			return State{}, c, fmt.Errorf("%w: line %d can't be read", ErrTampered, number-1)
		}
		if last != nil && (bad || l.Type != lineTorn) {
			state.apply(*last)
		}
		if broken, last = bad, nil; !bad {
			last = &l
		}
		state.there = true
		c = chain{prev: chainSum(text)}
	}
}

// add makes a line, fastens it to the one before, applies it and puts it into the buffer. j.mu is held.
func (j *Journal) add(l line) {
	if j.chain.torn {
		j.buf = append(j.buf, '\n')
		j.size++
		j.chain.torn = false
		j.encode(line{Type: lineTorn})
	}
	if !j.opened {
		j.opened = true
		j.encode(line{Type: lineOpen, Batch: j.batch, Invocation: j.invocation})
	}
	j.encode(l)
}

func (j *Journal) encode(l line) {
	l.At, l.Prev = j.now().UTC().Truncate(time.Millisecond), j.chain.prev
	text, err := json.Marshal(l)
	if err != nil {
		// The types above have nothing that JSON can't say but a time after the year 9999.
		panic("encode a line of the journal: " + err.Error())
	}
	j.chain.prev = chainSum(text)
	j.buf = append(append(j.buf, text...), '\n')
	j.size += int64(len(text)) + 1
	j.state.apply(l)
	j.state.there = true
}

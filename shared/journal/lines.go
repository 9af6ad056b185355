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

// maxLog is the largest journal in bytes that is read; only its state is kept in memory. A batch of 100 records for
// 600 mailboxes each makes about 25 MiB. Writing stops well below it, plans first, so that no journal becomes
// unreadable.
const (
	maxLog      = 2 << 30
	maxPlans    = maxLog / 4
	maxOutcomes = maxLog / 2
)

// bounds are the lengths of a log from which on no more lines of a type are added.
type bounds struct{ plans, outcomes int64 }

// The types of lines.
const (
	lineOpen   = "open"   // a delivery of the batch starts to write
	linePlan   = "plan"   // the mailboxes of a record; replaces an earlier plan of the same record
	lineCopy   = "copy"   // a copy has an outcome
	lineRecord = "record" // a record has an outcome
	lineDone   = "done"   // every record has an outcome
	lineTorn   = "torn"   // the line before this one is incomplete and does not count
)

// line is one line of a journal.
type line struct {
	Type       string    `json:"t"`
	At         time.Time `json:"at"`
	Prev       string    `json:"prev"` // hex SHA-256 of the line before, without its line feed
	Batch      string    `json:"batch,omitempty"`
	Invocation string    `json:"invocation,omitempty"`
	Plan       []plan    `json:"plan,omitempty"`
	Copy       *Copy     `json:"copy,omitempty"`
	Record     *Record   `json:"record,omitempty"`
	Totals     *Totals   `json:"totals,omitempty"`
}

// plan lists the mailboxes that one line of the batch goes to.
type plan struct {
	Line      int      `json:"line"`
	Mailboxes []string `json:"mailboxes"`
}

// chain is the end of the log, to which the next line is linked.
type chain struct {
	prev string // hash of the last line
	torn bool   // that line is incomplete: the log ends without a line feed
}

// newChain returns the chain of an empty log.
func newChain(batch string) chain { return chain{prev: chainSum([]byte(batch))} }

// parseLog reads a journal line by line, verifies the hash chain and returns the state. A last line without a line
// feed does not count; it is reported in the chain, and the next writer marks it with a line "torn". Such a line is
// not expected, because an append is all or nothing.
func parseLog(r io.Reader, batch string) (State, chain, error) {
	var state State
	c := newChain(batch)
	in := bufio.NewReaderSize(r, 64<<10)
	broken := false // the line before cannot be parsed; only a line "torn" may follow it
	var last *line  // the line before; it is applied unless the next line is "torn"
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
		broken, last = bad, nil
		if !bad {
			last = &l
		}
		c = chain{prev: chainSum(text)}
	}
}

// add adds a line to the buffer and applies it to the state, after a line "torn" or "open" where one is due. j.mu must
// be held.
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

// encode links a line to the chain, appends it to the buffer and applies it to the state. j.mu must be held.
func (j *Journal) encode(l line) {
	l.At, l.Prev = j.now().UTC().Truncate(time.Millisecond), j.chain.prev
	text, err := json.Marshal(l)
	if err != nil {
		// The types above hold nothing that JSON cannot encode, except a time after the year 9999.
		panic("encode a line of the journal: " + err.Error())
	}
	j.chain.prev = chainSum(text)
	j.buf = append(append(j.buf, text...), '\n')
	j.size += int64(len(text)) + 1
	j.state.apply(l)
}

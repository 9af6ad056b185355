package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// tailSize is how much of a log's end is read for its last line. Lines of the type "done" are short: several fit.
const tailSize = 8 << 10 // bytes

// Read reads a batch's journal without its lease and verifies the hash chain (ErrTampered). If the batch has no
// journal, it returns the zero State.
func Read(ctx context.Context, logs Logs, batch string) (State, error) {
	state, _, _, err := readState(ctx, logs, batch)
	return state, err
}

// ReadLength is Read with the length of the log, of which the state is a function; 0 if there is none.
func ReadLength(ctx context.Context, logs Logs, batch string) (State, int64, error) {
	state, _, size, err := readState(ctx, logs, batch)
	return state, size, err
}

// Parse is Read for a log that was copied out of the archive.
func Parse(log io.Reader, batch string) (State, error) {
	state, _, err := parseLog(log, batch)
	return state, err
}

func readState(ctx context.Context, logs Logs, batch string) (State, chain, int64, error) {
	body, size, err := logs.Read(ctx, LogName(batch))
	if err != nil {
		return State{}, chain{}, 0, fmt.Errorf("read a journal: %w", err)
	}
	if size < 0 {
		return State{}, newChain(batch), 0, nil
	}
	defer body.Close()
	if size > maxLog {
		return State{}, chain{}, 0, fmt.Errorf("read a journal: it has %d bytes, limit %d", size, maxLog)
	}
	state, c, err := parseLog(body, batch)
	if size > 0 {
		state.head = c.prev
	}
	return state, c, size, err
}

// Tail reports whether the last line of the journal closes the batch. It reads only the end of the log and verifies
// nothing before that line.
func Tail(ctx context.Context, logs Logs, batch string) (done bool, err error) {
	_, done, err = TailTotals(ctx, logs, batch)
	return done, err
}

// TailTotals is Tail with the totals that the last line of a finished batch holds.
func TailTotals(ctx context.Context, logs Logs, batch string) (totals Totals, done bool, err error) {
	data, _, err := logs.Tail(ctx, LogName(batch), tailSize)
	if err != nil {
		return Totals{}, false, fmt.Errorf("read a journal's end: %w", err)
	}
	data, whole := bytes.CutSuffix(data, []byte("\n"))
	if !whole {
		return Totals{}, false, nil
	}
	var last line
	if json.Unmarshal(data[bytes.LastIndexByte(data, '\n')+1:], &last) != nil {
		// Longer than the tail, or not JSON: not the end of a batch. Read decides whether it is an error.
		return Totals{}, false, nil
	}
	if last.Type == lineDone && last.Totals != nil {
		totals = *last.Totals
	}
	return totals, last.Type == lineDone, nil
}

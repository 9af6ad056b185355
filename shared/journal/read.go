package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// tailSize holds several lines of the type "done", which are short.
const tailSize = 8 << 10

// Read reads a batch's journal without its lease and checks that each line follows from the one before (ErrTampered). Of a
// batch that has none it is the zero State.
func Read(ctx context.Context, logs Logs, batch string) (State, error) {
	state, _, _, err := read(ctx, logs, batch)
	return state, err
}

// Parse is Read of a log that was taken out of the archive.
func Parse(log io.Reader, batch string) (State, error) {
	state, _, err := parseLog(log, batch)
	return state, err
}

func read(ctx context.Context, logs Logs, batch string) (State, chain, int64, error) {
	body, size, err := logs.Read(ctx, logName(batch))
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
	return state, c, size, err
}

// Tail says whether the journal's last line is that of a batch that is done. It costs little, and checks nothing
// before that line.
func Tail(ctx context.Context, logs Logs, batch string) (done bool, err error) {
	_, done, err = TailTotals(ctx, logs, batch)
	return done, err
}

// TailTotals is Tail, with the totals of a batch that is done as its last line has them.
func TailTotals(ctx context.Context, logs Logs, batch string) (totals Totals, done bool, err error) {
	data, _, err := logs.Tail(ctx, logName(batch), tailSize)
	if err != nil {
		return Totals{}, false, fmt.Errorf("read a journal's end: %w", err)
	}
	data, whole := bytes.CutSuffix(data, []byte("\n"))
	if !whole {
		return Totals{}, false, nil
	}
	var last line
	if json.Unmarshal(data[bytes.LastIndexByte(data, '\n')+1:], &last) != nil {
		// Too long for the tail, or broken: not the end of a batch, and for Read to judge.
		return Totals{}, false, nil
	}
	if last.Type == lineDone && last.Totals != nil {
		totals = *last.Totals
	}
	return totals, last.Type == lineDone, nil
}

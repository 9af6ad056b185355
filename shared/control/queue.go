package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

// The states of an answer.
const (
	Taken   = "taken"   // it was read, and waits for its turn
	Working = "working" // it has begun; done of of says how far it is
	Done    = "done"
	Refused = "refused" // it cannot be carried out as it is
	Failed  = "failed"  // it was given up after several tries
)

// Answer is what an app answers to a command. It holds counts, times and sentences of this program, no content and no
// address.
type Answer struct {
	Version int       `json:"v"` // 1
	Command string    `json:"command"`
	Kind    Kind      `json:"kind,omitempty"`
	State   string    `json:"state"`
	Says    string    `json:"says"` // one sentence for the administrator
	Taken   time.Time `json:"taken"`
	At      time.Time `json:"at"` // when it was last changed
	Done    int       `json:"done,omitempty"`
	Of      int       `json:"of,omitempty"`
	Tries   int       `json:"tries,omitempty"` // turns that have begun
	Links   []Link    `json:"links,omitempty"` // of a check

	// Counts are the results of an estimate or a dry run, under the names of the constants Count…. After is how far a
	// dry run is: the last batch that they have.
	Counts map[string]int64 `json:"counts,omitempty"`
	After  string           `json:"after,omitempty"`
}

// The names of counts in an Answer.
const (
	CountItems   = "items"   // estimate: by the site's own count
	CountUnknown = "unknown" // estimate: windows for which the site states no count
	CountZIPs    = "zips"    // estimate: that are named for the days of the range
	CountBytes   = "bytes"   // estimate: of these ZIPs

	CountRecords     = "records" // dry run: all, which are the sum of the next six
	CountImport      = "import"  // with a copy that would be imported, or would need a further try
	CountPresent     = "present" // whose copies are all in their mailboxes
	CountUnmapped    = "unmapped"
	CountExcluded    = "excluded"
	CountQuarantined = "quarantined"
	CountOpen        = "open"     // for which the directory has no answer now
	CountCopies      = "copies"   // dry run: that would be imported
	CountOversize    = "oversize" // dry run: of these, those without an attachment, for its size
)

// add adds counts to those of the answer.
func (a *Answer) add(counts map[string]int64) {
	if a.Counts == nil {
		a.Counts = map[string]int64{}
	}
	for name, n := range counts {
		a.Counts[name] += n
	}
}

// Link is the result of checking one thing that the app needs.
type Link struct {
	Link  string `json:"link"`
	State string `json:"state"` // LinkOK, LinkFailed or LinkUnknown
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"` // what helps
}

// The states of a link.
const (
	LinkOK      = "ok"
	LinkFailed  = "failed"
	LinkUnknown = "unknown" // it could not be tried
)

// isFinal reports whether nothing more is done for a command in that state.
func isFinal(state string) bool { return state == Done || state == Refused || state == Failed }

const (
	maxCommands = 100_000            // commands and answers that one turn lists; a lifecycle rule deletes old ones
	maxPending  = 100                // unfinished commands that one turn reads
	maxAge      = 7 * 24 * time.Hour // an older command is refused: what it asked for is another situation's
	patience    = time.Minute        // for one operation while storage is unavailable
	stepsSaved  = 16                 // steps after which Step saves the answer
)

// Task is a command that is not finished, with its answer so far.
type Task struct {
	Command
	Answer Answer
	etag   string // of the answer; "": none is stored; "*": what is stored cannot be read
}

// Options holds what a Queue works with.
type Options struct {
	App      string             // fetch or import
	Commands *archive.Documents // are read
	Answers  *archive.Documents // are written; no other app writes them
	Now      func() time.Time
}

// Queue is the commands that an app was given. It is safe for concurrent use. Two processes may work on one command at
// the same time; what they do for it MUST therefore be harmless twice.
type Queue struct {
	opts  Options
	limit int // maxCommands
}

// NewQueue returns a Queue. It makes no request.
func NewQueue(o Options) *Queue { return &Queue{o, maxCommands} }

// Pending returns the commands that are not finished: the least tried first, then the oldest. Those that cannot be
// carried out are refused, and are not among them. Of more than maxPending they are those without an answer, and a
// random choice of the others. With an error, tasks are those that could be read. Without a command it costs two
// requests.
func (q *Queue) Pending(ctx context.Context) (tasks []*Task, err error) {
	commands, err := q.list(ctx, q.opts.Commands, commandFolder(q.opts.App))
	if err != nil {
		return nil, fmt.Errorf("list the commands: %w", err)
	}
	answers, err := q.list(ctx, q.opts.Answers, answersFolder)
	if err != nil {
		return nil, fmt.Errorf("list the answers to commands: %w", err)
	}
	state := make(map[string]string, len(answers))
	for _, a := range answers {
		state[a.Name] = stateIn(a.Facts)
	}
	var fresh, begun []string // names of commands without an answer, and with one
	for _, c := range commands {
		name, ok := commandIn(q.opts.App, c.Name)
		facts, answered := state[answerBlob(name)]
		switch {
		case !ok || isFinal(facts):
		case answered:
			begun = append(begun, name)
		default:
			fresh = append(fresh, name)
		}
	}
	if len(fresh)+len(begun) > maxPending { // those that take long must not keep the others from being read
		rand.Shuffle(len(begun), func(i, j int) { begun[i], begun[j] = begun[j], begun[i] })
	}
	var failed []error
	all := slices.Concat(fresh, begun)
	for i, name := range all[:min(len(all), maxPending)] {
		task, err := q.read(ctx, name, i >= len(fresh))
		if err != nil {
			failed = append(failed, err)
		} else if task != nil {
			tasks = append(tasks, task)
		}
	}
	slices.SortFunc(tasks, func(a, b *Task) int {
		return cmp.Or(cmp.Compare(a.Answer.Tries, b.Answer.Tries), cmp.Compare(a.Name, b.Name))
	})
	return tasks, errors.Join(failed...)
}

func (q *Queue) list(ctx context.Context, from *archive.Documents, prefix string) ([]archive.DocumentInfo, error) {
	return listWhole(ctx, from, prefix, q.limit)
}

// ErrTooMany matches the error of a listing that is not whole.
var ErrTooMany = errors.New("there are more commands or answers than can be listed")

// listWhole returns the documents whose names begin with prefix. More than limit are ErrTooMany: the newest come last,
// so they would never be seen, or taken for new ones.
func listWhole(ctx context.Context, from *archive.Documents, prefix string, limit int) (
	all []archive.DocumentInfo, err error) {
	more := false
	err = retry.DoFor(ctx, patience, func(ctx context.Context) (err error) {
		all, more, err = from.List(ctx, prefix, limit)
		return err
	})
	if err == nil && more {
		err = fmt.Errorf("%w, %d: delete the oldest in the containers commands, status and reports", ErrTooMany, limit)
	}
	return all, err
}

// read reads a command and its answer. It returns nil if the command was refused, or is finished.
func (q *Queue) read(ctx context.Context, name string, answered bool) (*Task, error) {
	asked, _ := parseName(name)
	none := Answer{Version: 1, Command: name, State: Taken, Taken: q.opts.Now().UTC()}
	t := &Task{Command: Command{Name: name, Asked: asked}, Answer: none}
	if answered {
		err := retry.DoFor(ctx, patience, func(ctx context.Context) (err error) {
			t.etag, err = q.opts.Answers.Get(ctx, answerBlob(name), &t.Answer)
			return err
		})
		switch {
		case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
			t.Answer, t.etag = none, "*" // it is written anew, whatever is there
		case err != nil:
			return nil, fmt.Errorf("read the answer to a command: %w", err)
		case isFinal(t.Answer.State): // the listing did not have that
			return nil, nil
		}
	}
	var raw json.RawMessage
	err := retry.DoFor(ctx, patience, func(ctx context.Context) error {
		_, err := q.opts.Commands.GetLarge(ctx, commandBlob(q.opts.App, name), &raw, maxCommand)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return nil, nil // deleted meanwhile
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		raw = nil
	case err != nil:
		return nil, fmt.Errorf("read a command: %w", err)
	}
	command, err := parseCommand(q.opts.App, raw)
	if err == nil && !answered && q.opts.Now().Sub(asked) > maxAge {
		err = errCommand("the command is older than seven days: give it again if it is still wanted")
	}
	if err != nil {
		return nil, q.Finish(ctx, t, Refused, err.Error())
	}
	command.Name, command.Asked = name, asked
	t.Command, t.Answer.Kind = command, command.Kind
	return t, nil
}

// Begin counts a try, and saves that the command is being worked on. It MUST be called before anything is done for it.
func (q *Queue) Begin(ctx context.Context, t *Task) error {
	t.Answer.Tries++
	return q.Progress(ctx, t, t.Answer.Done, t.Answer.Of, "at work")
}

// Progress saves how far the command is.
func (q *Queue) Progress(ctx context.Context, t *Task, done, of int, says string) error {
	t.Answer.Done, t.Answer.Of = done, of
	return q.save(ctx, t, Working, says)
}

// Step counts a step of the command, one of so many, with its counts. It is saved now and then, and with the next
// Progress or Finish: a step that is not saved is done again, and counted once.
func (q *Queue) Step(ctx context.Context, t *Task, of int, counts map[string]int64) error {
	t.Answer.add(counts)
	t.Answer.Done++
	if t.Answer.Done%stepsSaved != 0 {
		return nil
	}
	return q.Progress(ctx, t, t.Answer.Done, of, "at work")
}

// Finish saves the end of the command: Done, Refused or Failed.
func (q *Queue) Finish(ctx context.Context, t *Task, state, says string) error {
	return q.save(ctx, t, state, says)
}

// save writes the answer. Another process that works on the same command may have written it meanwhile: then its answer
// is replaced, unless it is final.
func (q *Queue) save(ctx context.Context, t *Task, state, says string) error {
	t.Answer.State, t.Answer.Says, t.Answer.At = state, says, q.opts.Now().UTC()
	name := answerBlob(t.Name)
	ctx = context.WithoutCancel(ctx)
	err := retry.DoFor(ctx, patience, func(ctx context.Context) (err error) {
		etag, err := q.opts.Answers.PutWithFacts(ctx, name, t.Answer, t.Answer.facts(), t.etag)
		if err == nil {
			t.etag = etag
			return nil
		}
		if !errors.Is(err, archive.ErrChanged) && !errors.Is(err, archive.ErrExists) {
			return err
		}
		var theirs Answer
		if t.etag, err = q.opts.Answers.Get(ctx, name, &theirs); err != nil || isFinal(theirs.State) {
			return err
		}
		t.etag, err = q.opts.Answers.PutWithFacts(ctx, name, t.Answer, t.Answer.facts(), t.etag)
		return err
	})
	if errors.Is(err, archive.ErrChanged) {
		return nil // another process works on the command, and its answer stands
	}
	if err != nil {
		return fmt.Errorf("save the answer to a command: %w", err)
	}
	return nil
}

package importer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/import/internal/recipients"
	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/ledger"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
)

// script is the ledger, the claim and the mailbox slot of one copy, with the answers that a test gives them. The zero
// value answers that the row is inserted, the mailbox is empty, and every write succeeds.
type script struct {
	row   *ledger.Row // what Claim finds; nil: it inserts one
	age   time.Duration
	found []mailbox.Found
	id    string           // of what Import leaves behind with an error
	fails map[string]error // by the name of the method

	content string // the fingerprint in the claim's row
	calls   []string
}

func (s *script) answer(call string) error {
	s.calls = append(s.calls, call)
	return s.fails[call]
}

func (s *script) Claim(context.Context, string, ledger.Holder, string) (claim, *ledger.Row, error) {
	if err := s.answer("Claim"); err != nil || s.row != nil {
		return nil, s.row, err
	}
	return scriptedClaim{s}, nil, nil
}

func (s *script) TakeOver(context.Context, string, *ledger.Row, ledger.Holder) (claim, error) {
	if err := s.answer("TakeOver"); err != nil {
		return nil, err
	}
	return scriptedClaim{s}, nil
}

func (s *script) Settle(context.Context, string, ledger.Holder, string, string, string) error {
	return s.answer("Settle")
}

func (s *script) Find(context.Context, string) ([]mailbox.Found, error) {
	return s.found, s.answer("Find")
}

func (s *script) Delete(context.Context, string, func(context.Context) error) error {
	return s.answer("Delete")
}

func (s *script) Import(context.Context, *mailbox.Message, func(context.Context) error) (string, error) {
	if err := s.answer("Import"); err != nil {
		return s.id, err
	}
	return "new", nil
}

func (s *script) LeaveMailbox() { s.calls = append(s.calls, "leave") }

type scriptedClaim struct{ s *script }

func (c scriptedClaim) Fingerprint() string                          { return c.s.content }
func (c scriptedClaim) Since() time.Duration                         { return c.s.age }
func (c scriptedClaim) Renew(context.Context) error                  { return c.s.answer("Renew") }
func (c scriptedClaim) Intend(context.Context, string, string) error { return c.s.answer("Intend") }
func (c scriptedClaim) Done(_ context.Context, id string, _ string) error {
	if id == "" {
		panic("a copy without a message is marked as done")
	}
	return c.s.answer("Done")
}
func (c scriptedClaim) Release(context.Context) error { return c.s.answer("Release") }

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got); -update writes it anew:\n%s", file, diff)
	}
}

const testInDoubt = 90 * time.Second

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// scriptedCopy returns a copy of a long SMS in two pieces, with a file, that is answered by s.
func scriptedCopy(t *testing.T, s *script) *copyJob {
	t.Helper()
	text := &record.Record{ID: "m1", Kind: record.SMS, Time: testNow, Text: "hello",
		From: record.Participant{Value: "+447700900123"}, To: []record.Participant{{Value: "+447700900456"}}}
	built, err := message.Build(text, message.Options{Region: "GB"})
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return testNow }
	users := recipients.NewDirectory(nil, recipients.DirectoryOptions{Now: now})
	im := New(Options{InDoubt: testInDoubt, Now: now, Users: users})
	whole, err := im.renderMessage(t.Context(), built)
	if err != nil {
		t.Fatal(err)
	}
	rec := *text
	rec.Attachments = []record.Attachment{{Name: "a.png", Size: 9}}
	rec.Pieces = []record.Piece{{Number: 1, ID: "m1"}, {Number: 2, ID: "m2"}}
	l := &batchRecord{number: 1, own: &rec, rec: &rec, fingerprint: "print", ownPrint: "print", built: built}
	l.whole.rendered, l.oversized.rendered = whole, whole
	s.content = "print"
	holder := ledger.Holder{Batch: "mine", Line: 1}
	return &copyJob{im: im, ledger: s, line: l, mailbox: "box", key: "key", holder: holder}
}

// refusals are the answers of the mailbox to a request, by their names.
func refusals() map[string]error {
	all := map[string]error{
		"canceled":          context.Canceled,
		"content not found": fmt.Errorf("%w: %w", &mailbox.Error{Kind: mailbox.Content}, archive.ErrNotFound),
		"content away":      fmt.Errorf("%w: %w", &mailbox.Error{Kind: mailbox.Content}, archive.ErrUnavailable),
		"content ambiguous": &mailbox.Error{Kind: mailbox.Content, Ambiguous: true},
		"lost":              fmt.Errorf("%w: %w", &mailbox.Error{Kind: mailbox.Lost, Ambiguous: true}, ledger.ErrLost),
	}
	for kind := mailbox.Unavailable; kind <= mailbox.MessageGone; kind++ {
		switch kind {
		case mailbox.Lost:
		case mailbox.Content:
			all["content"] = &mailbox.Error{Kind: kind}
		default:
			all[kind.String()] = &mailbox.Error{Kind: kind, Code: "Code", Status: 400}
			all[kind.String()+" ambiguous"] = &mailbox.Error{Kind: kind, Code: "Code", Status: 400, Ambiguous: true}
		}
	}
	return all
}

// pair is a state with what is known in it, and the answers to its step.
type pair struct {
	state copyState
	known func(*copyJob)
	script
}

// pairs are all states with all answers, by "state[, what is known]: answer".
func pairs() map[string]pair {
	all := map[string]pair{}
	add := func(state copyState, known map[string]func(*copyJob), name string, s script) {
		for what, set := range known {
			all[strings.Replace(fmt.Sprintf("%s, %s: %s", state, what, name), ", :", ":", 1)] = pair{state, set, s}
		}
	}
	storage := map[string]error{"unavailable": ledger.ErrUnavailable, "lost": fmt.Errorf("write: %w", ledger.ErrLost)}
	nothing := func(*copyJob) {}
	ours := ledger.Row{
		State: ledger.Done, Batch: "mine", Line: 1, GraphID: "old", Outcome: "oversize", Fingerprint: "print",
	}
	theirs, held := ours, ledger.Row{State: ledger.Pending, Batch: "other", Line: 7, Age: testInDoubt - 1}
	theirs.Batch = "other"
	stale := held
	stale.Age = testInDoubt
	half := stale
	half.Outcome = "oversize"

	unclaimedKnown := map[string]func(*copyJob){
		"":              nothing,
		"it may exist":  func(c *copyJob) { c.mayExist = true },
		"it is created": func(c *copyJob) { c.createdID = "new" },
	}
	add(unclaimed, unclaimedKnown, "inserted", script{})
	add(unclaimed, unclaimedKnown, "done by this line", script{row: &ours})
	add(unclaimed, unclaimedKnown, "done by another", script{row: &theirs})
	add(unclaimed, unclaimedKnown, "held", script{row: &held})
	add(unclaimed, unclaimedKnown, "stale", script{row: &stale})
	add(unclaimed, unclaimedKnown, "stale without attachments", script{row: &half})
	noParts := map[string]error{"Settle": ledger.ErrUnavailable}
	add(unclaimed, unclaimedKnown, "done, parts unavailable", script{row: &ours, fails: noParts})
	for name, err := range storage {
		fails := map[string]error{"TakeOver": err}
		add(unclaimed, unclaimedKnown, "stale, take-over "+name, script{row: &stale, fails: fails})
	}
	add(unclaimed, unclaimedKnown, "unavailable", script{fails: map[string]error{"Claim": ledger.ErrUnavailable}})

	claimedKnown := map[string]func(*copyJob){
		"":                    nothing,
		"without attachments": func(c *copyJob) { c.withoutAttachments = true },
	}
	add(claimed, claimedKnown, "created", script{})
	for name, err := range refusals() {
		add(claimed, claimedKnown, name, script{fails: map[string]error{"Import": err}})
	}
	ambiguous := map[string]error{"Import": &mailbox.Error{Ambiguous: true}}
	add(claimed, claimedKnown, "partial", script{id: "part", fails: ambiguous})
	refused := map[string]func(*copyJob){"refused": func(c *copyJob) { c.refusal = "for good" }}
	add(claimed, refused, "released", script{})
	for name, err := range storage {
		fails := map[string]error{"Renew": err, "Intend": err, "Release": err}
		add(claimed, claimedKnown, "the ledger is "+name, script{age: testInDoubt, fails: fails})
		add(claimed, refused, "the ledger is "+name, script{fails: fails})
	}

	uncertainKnown := map[string]func(*copyJob){
		"":               func(c *copyJob) { c.mayExist = true },
		"it may succeed": func(c *copyJob) { c.mayExist, c.maySucceedUntil = true, testNow.Add(time.Second) },
		"a partial":      func(c *copyJob) { c.mayExist, c.partialID = true, "part" },
	}
	whole, part := mailbox.Found{ID: "there"}, mailbox.Found{ID: "half", Partial: true}
	add(uncertain, uncertainKnown, "nothing", script{})
	add(uncertain, uncertainKnown, "whole", script{found: []mailbox.Found{whole}})
	add(uncertain, uncertainKnown, "partial", script{found: []mailbox.Found{part}})
	add(uncertain, uncertainKnown, "both", script{found: []mailbox.Found{whole, part}})
	justOne := map[string]func(*copyJob){"": uncertainKnown[""]}
	for name, err := range refusals() {
		add(uncertain, justOne, "search: "+name, script{fails: map[string]error{"Find": err}})
		fails := map[string]error{"Delete": err}
		add(uncertain, justOne, "delete: "+name, script{found: []mailbox.Found{part}, fails: fails})
	}
	for name, err := range storage {
		fails := map[string]error{"Renew": err}
		s := script{found: []mailbox.Found{part}, age: testInDoubt, fails: fails}
		add(uncertain, justOne, "partial, the ledger is "+name, s)
	}

	createdKnown := map[string]func(*copyJob){
		"":                    func(c *copyJob) { c.createdID = "new" },
		"without attachments": func(c *copyJob) { c.createdID, c.withoutAttachments = "new", true },
		"it may exist":        func(c *copyJob) { c.createdID, c.mayExist = "new", true },
	}
	add(created, createdKnown, "done", script{})
	for name, err := range storage {
		add(created, createdKnown, "the ledger is "+name, script{fails: map[string]error{"Done": err}})
	}
	add(created, createdKnown, "done, parts unavailable", script{fails: noParts})
	return all
}

// take sets up the pair's copy and takes its step. It returns where that leads, as a line of transitions.txt has it.
func (p pair) take(t *testing.T) string {
	t.Helper()
	s := p.script
	c := scriptedCopy(t, &s)
	c.state = p.state
	if p.state != unclaimed {
		c.claim = scriptedClaim{&s}
	}
	p.known(c)
	mayExist := c.mayExist
	next, err := c.step(t.Context(), &s)
	p.check(t, c, next, err, mayExist, s.calls)
	text := next.String()
	switch {
	case next == settled:
		text += " " + string(c.out.Outcome)
	case next == claimed && c.refusal != "":
		text += " to be released"
	case next == uncertain && c.refusal != "":
		text += " to be released once it is resolved"
	}
	if err != nil {
		again, after := retry.IsTransient(err)
		text += ", retry"
		if !again {
			text = strings.TrimSuffix(text, ", retry") + ", give up"
		}
		if after > 0 {
			text += " after " + after.String()
		}
	}
	if c.withoutAttachments && next != settled {
		text += ", without attachments"
	}
	if c.partialID != "" {
		text += ", a partial is left"
	}
	return text + " (" + strings.Join(s.calls, " ") + ")"
}

// check holds what every step must keep to, whatever was answered.
func (p pair) check(t *testing.T, c *copyJob, next copyState, err error, mayExist bool, calls []string) {
	t.Helper()
	switch done := c.out.Outcome != ""; {
	case next == settled && (err != nil || !done):
		t.Errorf("settled with the outcome %q and %v", c.out.Outcome, err)
	case next != settled && next != c.known():
		t.Errorf("the next state is %s, and what is known says %s", next, c.known())
	case next == p.state && err == nil && c.refusal == "":
		t.Errorf("%s stays, without an error: the loop has no end", next)
	}
	creates := slices.Contains(calls, "Import")
	if creates && (p.state != claimed || mayExist) {
		t.Errorf("a message is created in %s, where one may exist", p.state)
	}
	var graph *mailbox.Error
	if creates && errors.As(p.fails["Import"], &graph) && graph.Ambiguous && (next == claimed || !c.mayExist) {
		t.Error("after an ambiguous answer the copy counts as not created")
	}
	if c.out.Outcome == journal.CopyFailed && c.mayExist && c.claim == nil {
		t.Error("a copy that may exist failed, and its claim is gone: a replay would create it again")
	}
	if c.out.Outcome != "" && c.out.Outcome != journal.CopyFailed && c.out.GraphID == "" {
		t.Errorf("%s without a message", c.out.Outcome)
	}
}

// TestCopyTransitions takes the step of each state with each answer of the ledger and the mailbox, and compares where
// it leads, and which calls it made, with testdata/transitions.txt.
func TestCopyTransitions(t *testing.T) {
	t.Parallel()
	var lines []string
	all := pairs()
	states := map[copyState]int{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			states[all[name].state]++
			lines = append(lines, name+" → "+all[name].take(t))
		})
	}
	for state := unclaimed; state < settled; state++ {
		if states[state] < 9 {
			t.Errorf("%s has %d answers only", state, states[state])
		}
	}
	golden(t, "testdata/transitions.txt", strings.Join(lines, "\n")+"\n")
}

// A copy that is refused for good by an ambiguous answer is failed only once nothing of it is in the mailbox; one that
// is found after all is imported.
func TestCopyRefusedAfterAnAmbiguousAnswer(t *testing.T) {
	t.Parallel()
	refusal := &mailbox.Error{Kind: mailbox.Refused, Status: 400, Code: "Code", Ambiguous: true}
	for name, test := range map[string]struct {
		found []mailbox.Found
		until time.Duration
		want  []string
		out   journal.Outcome
	}{
		"there": {
			[]mailbox.Found{{ID: "there"}}, 0,
			[]string{"Claim", "Import", "Find", "leave", "Done", "Settle"}, journal.Imported,
		},
		"partial": {
			[]mailbox.Found{{ID: "half", Partial: true}}, 0,
			[]string{"Claim", "Import", "Find", "Delete", "Release"}, journal.CopyFailed,
		},
		"open": {nil, RequestTimeout(testInDoubt), []string{"Claim", "Import", "Find"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{found: test.found, fails: map[string]error{"Import": refusal}}
			c := scriptedCopy(t, s)
			err := c.steps(t.Context(), s)
			if diff := cmp.Diff(test.want, s.calls); diff != "" || c.out.Outcome != test.out {
				t.Errorf("it ends as %q, %v (-want +got):\n%s", c.out.Outcome, err, diff)
			}
			_, after := retry.IsTransient(err)
			if after != test.until || test.until > 0 && c.state != uncertain {
				t.Errorf("%v in %s, to be tried again after %v, want %v", err, c.state, after, test.until)
			}
		})
	}
}

// Package control reads what an administrator asks of a function app, and writes what the app answers: commands, each a
// document that is carried out once, and the pause, a flag.
//
// A command is a blob of the container commands that is created once and never changed. Its answer is a blob of a
// container that only the app writes. So the administrator needs no address and no key of an app, and an app that was
// stopped, killed or redeployed finds what it was asked for.
package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/settings"
)

// Kind is what a command asks for.
type Kind string

// The kinds of commands.
const (
	Run       Kind = "run"      // fetch: what is due, now
	Backfill  Kind = "backfill" // fetch: a range of time
	Replay    Kind = "replay"   // import: a run or a batch
	Tally     Kind = "tally"    // import: all totals anew, from the journals
	Check     Kind = "check"    // both: whether everything that the app needs is within its reach
	Estimate  Kind = "estimate" // fetch: how much there is in a range of time
	DryRun    Kind = "dryrun"   // import: what would become of a run or a batch; nothing is written
	PauseApp  Kind = "pause"    // portal: an app is paused
	ResumeApp Kind = "resume"   // portal: an app is started again
)

// Portal is the app of the commands that are carried out by the one who gives them, in settings/connector.json. They
// are there to be shown, and have no answer.
const Portal = "portal"

// Command is one command. Which of the fields behind Kind are set depends on the kind.
type Command struct {
	Name    string    // <time>-<id>: the name of its blob, without the app and the ending
	Asked   time.Time // the time in its name
	Kind    Kind
	From    time.Time // Backfill, Estimate
	To      time.Time // Backfill, Estimate; exclusive
	What    string    // Replay, DryRun: the folder of a run, or a batch
	Lines   []int     // Replay of a batch: only these of its lines; nil: all
	Reason  string    // Replay: only the records that were not archived for this reason (tally.Reason); "": all
	Mailbox string    // Check, of import: the address of a mailbox for a test message, "": none; it is personal data
	App     string    // PauseApp, ResumeApp: fetch or import
}

// document is the content of a command's blob.
type document struct {
	Kind    Kind      `json:"kind"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
	What    string    `json:"what,omitempty"`
	Lines   []int     `json:"lines,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Mailbox string    `json:"mailbox,omitempty"`
	App     string    `json:"app,omitempty"`
	By      string    `json:"by,omitempty"` // for the reader of the blob; it has no effect
}

// members are the members that a command of a kind has, besides kind and by.
var members = map[Kind][]string{
	Run: nil, Backfill: {"from", "to"}, Estimate: {"from", "to"}, Replay: {"what"}, DryRun: {"what"}, Tally: nil,
	Check: nil, PauseApp: {"app"}, ResumeApp: {"app"},
}

// KindsOf returns the kinds of commands that an app has.
func KindsOf(app string) []Kind {
	return map[string][]Kind{
		settings.Fetch:  {Run, Backfill, Estimate, Check},
		settings.Import: {Replay, DryRun, Tally, Check},
		Portal:          {PauseApp, ResumeApp},
	}[app]
}

const (
	maxCommand = 8 << 10 // bytes
	maxLines   = 1000    // of one replay
	maxLine    = 10_000  // import reads no line behind it
)

var reasonForm = regexp.MustCompile(`^[A-Za-z]{1,40}$`)

// ErrCommand matches the error of a command that cannot be carried out as it is.
var ErrCommand = errors.New("a command that cannot be carried out")

// errCommand reports a command that cannot be carried out. Its text is shown to the administrator; it repeats nothing
// of the command, which may hold anything.
type errCommand string

func (e errCommand) Error() string { return string(e) }

// Is implements the interface of errors.Is.
func (e errCommand) Is(target error) bool { return target == ErrCommand }

// parseCommand reads the content of a command for app. The error is an errCommand.
func parseCommand(app string, data []byte) (c Command, err error) {
	if len(data) > maxCommand {
		return c, errCommand(fmt.Sprintf("the command is larger than %d bytes", maxCommand))
	}
	var d document
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err = dec.Decode(&d)
	if _, more := dec.Token(); err != nil || !errors.Is(more, io.EOF) {
		return c, errCommand(`the command cannot be read; it is JSON like ` + exampleFor(app))
	}
	kinds := KindsOf(app)
	if !slices.Contains(kinds, d.Kind) {
		return c, errCommand(fmt.Sprintf("this app has no command of that kind; it has %s", joinKinds(kinds)))
	}
	want := members[d.Kind]
	if d.Kind == Check && app == settings.Import && d.Mailbox != "" { // it may have one
		want = []string{"mailbox"}
	}
	have := map[string]bool{
		"from": !d.From.IsZero(), "to": !d.To.IsZero(), "what": d.What != "", "mailbox": d.Mailbox != "",
		"app": d.App != "",
	}
	for member, set := range have {
		if set != slices.Contains(want, member) {
			return c, errCommand(fmt.Sprintf("a command %s has %s", d.Kind, describeMembers(want)))
		}
	}
	if d.What != "" && !archive.IsFolder(d.What) && !archive.IsBatch(d.What) {
		return c, errCommand("what is no run or batch: a run is like 2026/11/23/<run>, and a batch is one of its files")
	}
	if d.App != "" && d.App != settings.Fetch && d.App != settings.Import {
		return c, errCommand("its app is neither fetch nor import")
	}
	if err := d.checkSelection(); err != nil {
		return c, err
	}
	return Command{Kind: d.Kind, From: d.From.UTC(), To: d.To.UTC(), What: d.What, Lines: d.Lines, Reason: d.Reason,
		Mailbox: d.Mailbox, App: d.App}, nil
}

// checkSelection checks which of the records are meant.
func (d document) checkSelection() error {
	switch {
	case len(d.Lines) == 0 && d.Reason == "":
		return nil
	case d.Kind != Replay || len(d.Lines) > 0 && d.Reason != "":
		return errCommand("only a replay has lines or a reason, and one has either of the two")
	case d.Reason != "" && !reasonForm.MatchString(d.Reason):
		return errCommand("its reason is none that import gives")
	case len(d.Lines) == 0:
		return nil
	case !archive.IsBatch(d.What):
		return errCommand("lines are those of a batch, and what is none")
	case len(d.Lines) > maxLines:
		return errCommand(fmt.Sprintf("it has more than %d lines: give several commands", maxLines))
	}
	for _, n := range d.Lines {
		if n < 1 || n > maxLine {
			return errCommand(fmt.Sprintf("one of its lines is not from 1 to %d", maxLine))
		}
	}
	return nil
}

func exampleFor(app string) string {
	if app == "import" {
		return `{"kind":"replay","what":"2026/11/23/<run>"}`
	}
	return `{"kind":"backfill","from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"}`
}

func joinKinds(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

func describeMembers(members []string) string {
	if len(members) == 0 {
		return "no further members"
	}
	return strings.Join(members, " and ") + ", and no others"
}

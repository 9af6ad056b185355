package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/sync/errgroup"

	"o2archiver/shared/archive"
)

const (
	maxFacts    = 2 << 10 // bytes of a command or an answer that a listing returns
	readsAtOnce = 16      // of ReadListed
)

// Listed is a command of which only a listing is known. The listing mostly has command and answer with it, so that a
// page with many commands reads none of them by itself.
type Listed struct {
	App, Name string
	Kind      Kind // "": only the command itself has it

	command, answer string // facts
	answered        bool
}

// facts returns what a listing returns of the command: all but the address of a mailbox. "" if it does not fit.
func (d document) facts() string {
	d.Mailbox = ""
	return encodeFacts(d)
}

// facts returns what a listing returns of the answer: its state and then, if it fits, the answer.
func (a Answer) facts() string {
	if text := encodeFacts(a); text != "" {
		return a.State + " " + text
	}
	return a.State
}

// stateIn returns the state in the facts of an answer.
func stateIn(facts string) string {
	state, _, _ := strings.Cut(facts, " ")
	return state
}

func encodeFacts(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	if text = escapeASCII(text); len(text) > maxFacts {
		return ""
	}
	return string(text)
}

// escapeASCII returns a JSON text in which all but printable ASCII is escaped, as blob metadata needs it.
func escapeASCII(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for _, r := range string(text) { // json.Marshal leaves no invalid UTF-8
		if r >= ' ' && r <= '~' {
			out = append(out, byte(r))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// ListGiven returns all commands, the latest first. answers has the container with the answers of each app. It costs a
// listing for every thousand commands, and for every thousand answers. More than maxCommands of an app are ErrTooMany.
func ListGiven(ctx context.Context, commands *archive.Documents, answers map[string]*archive.Documents) (
	all []Listed, err error) {
	return listGiven(ctx, commands, answers, maxCommands)
}

func listGiven(ctx context.Context, commands *archive.Documents, answers map[string]*archive.Documents, limit int) (
	all []Listed, err error) {
	apps := []string{Portal}
	for app := range answers {
		apps = append(apps, app)
	}
	given, answered := make([][]archive.DocumentInfo, len(apps)), make([][]archive.DocumentInfo, len(apps))
	group, ctx := errgroup.WithContext(ctx)
	for i, app := range apps {
		group.Go(func() (err error) {
			given[i], err = listWhole(ctx, commands, commandFolder(app), limit)
			return err
		})
		if app != Portal {
			group.Go(func() (err error) {
				answered[i], err = listWhole(ctx, answers[app], answersFolder, limit)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("list the commands: %w", err)
	}
	for i, app := range apps {
		facts := make(map[string]string, len(answered[i]))
		for _, a := range answered[i] {
			facts[a.Name] = a.Facts
		}
		for _, c := range given[i] {
			name, ok := commandIn(app, c.Name)
			if !ok {
				continue
			}
			l := Listed{App: app, Name: name, command: c.Facts}
			l.answer, l.answered = facts[answerBlob(name)]
			var d document
			if json.Unmarshal([]byte(c.Facts), &d) == nil {
				l.Kind = d.Kind
			}
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(b.Name, a.Name), cmp.Compare(a.App, b.App))
	})
	return all, nil
}

// given returns the command and its answer, as far as the listing has them; ok is false if they have to be read.
func (l Listed) given() (g Given, ok bool) {
	g = Given{App: l.App}
	var d document
	if l.Kind == "" || l.Kind == Check && l.App != "fetch" || json.Unmarshal([]byte(l.command), &d) != nil {
		return g, false
	}
	var err error
	if g.Command, err = parseCommand(l.App, []byte(l.command)); err != nil {
		return g, false
	}
	g.By, g.Command.Name = d.By, l.Name
	g.Command.Asked, _ = parseName(l.Name)
	if !l.answered {
		return g, true
	}
	g.Answer = &Answer{}
	_, text, _ := strings.Cut(l.answer, " ")
	return g, json.Unmarshal([]byte(text), g.Answer) == nil && g.Answer.Command == l.Name
}

// ReadListed returns commands with their answers, in the order of some. What the listing does not have is read, by two
// requests for a command. Those that were deleted since are left out.
func ReadListed(ctx context.Context, commands *archive.Documents, answers map[string]*archive.Documents,
	some []Listed) ([]Given, error) {
	all := make([]Given, len(some))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for i, l := range some {
		g, ok := l.given()
		if ok {
			all[i] = g
			continue
		}
		group.Go(func() (err error) {
			all[i], err = ReadGiven(ctx, commands, answers[l.App], l.App, l.Name)
			if errors.Is(err, archive.ErrNotFound) {
				all[i], err = Given{}, nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(g Given) bool { return g.Command.Name == "" }), nil
}

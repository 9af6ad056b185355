package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
)

// ErrGiven means that another command has that time and id already.
var ErrGiven = errors.New("another command was given under this name")

// CheckCommand returns what is wrong with a command for app, as Give would, or nil. It is for those who note what they
// are about to give.
func CheckCommand(app string, c Command) error {
	_, _, err := encodeCommand(app, "", c)
	return err
}

// encodeCommand returns the document of a command that the app would take, and its text.
func encodeCommand(app, by string, c Command) (d document, text []byte, err error) {
	d = document{Kind: c.Kind, From: c.From, To: c.To, What: c.What, Lines: c.Lines, Reason: c.Reason,
		Mailbox: c.Mailbox, App: c.App, By: by}
	if text, err = json.Marshal(d); err != nil {
		return d, nil, fmt.Errorf("encode a command: %w", err)
	}
	_, err = parseCommand(app, text)
	return d, text, err
}

// Give writes a command for app into commands, on behalf of a person, and returns its name. Of c, Name and Asked are
// not used. id is 8 to 32 hex digits in lower case. A command may be given again with the same time, id and content,
// for example those of a form that is sent twice: it is then carried out once. A command that the app would refuse for
// its form is not written, and the error matches ErrCommand; its text is for the person.
func Give(ctx context.Context, commands *archive.Documents, app string, at time.Time, id, by string, c Command) (
	name string, err error) {
	name = Name(at, id)
	if !nameForm.MatchString(name) {
		return "", errCommand("its id is not 8 to 32 hex digits")
	}
	d, text, err := encodeCommand(app, by, c)
	if err != nil {
		return "", err
	}
	err = retry.DoFor(ctx, patience, func(ctx context.Context) error {
		_, err := commands.PutWithFacts(ctx, commandBlob(app, name), d, d.facts(), "")
		return err
	})
	if errors.Is(err, archive.ErrExists) {
		var there json.RawMessage
		there, err = readCommand(ctx, commands, app, name)
		if err == nil && !sameJSON(there, text) {
			err = ErrGiven
		}
	}
	if err != nil {
		return "", fmt.Errorf("give a command: %w", err)
	}
	return name, nil
}

// readCommand reads the content of a command.
func readCommand(ctx context.Context, commands *archive.Documents, app, name string) (raw json.RawMessage, err error) {
	err = retry.DoFor(ctx, patience, func(ctx context.Context) error {
		_, err := commands.GetLarge(ctx, commandBlob(app, name), &raw, maxCommand)
		return err
	})
	return raw, err
}

// Given is a command with its answer.
type Given struct {
	App     string
	Command Command // without Kind if it cannot be read
	By      string  // on whose behalf
	Answer  *Answer // nil: there is none yet
}

// ReadGiven returns a command of app and its answer, which the app writes into answers; those of Portal have none.
// Without such a command the error matches archive.ErrNotFound.
func ReadGiven(ctx context.Context, commands, answers *archive.Documents, app, name string) (Given, error) {
	g := Given{App: app}
	asked, ok := parseName(name)
	if !ok || KindsOf(app) == nil {
		return g, fmt.Errorf("read a command: %w", archive.ErrNotFound)
	}
	raw, err := readCommand(ctx, commands, app, name)
	if err != nil && !errors.Is(err, archive.ErrContent) && !errors.Is(err, archive.ErrTooLarge) {
		return g, fmt.Errorf("read a command: %w", err)
	}
	var by struct {
		By string `json:"by"`
	}
	if c, err := parseCommand(app, raw); err == nil && json.Unmarshal(raw, &by) == nil {
		g.Command, g.By = c, by.By
	}
	g.Command.Name, g.Command.Asked = name, asked
	if app == Portal {
		return g, nil
	}
	var a Answer
	err = retry.DoFor(ctx, patience, func(ctx context.Context) error {
		_, err := answers.Get(ctx, answerBlob(name), &a)
		return err
	})
	switch {
	case err == nil:
		g.Answer = &a
	case !errors.Is(err, archive.ErrNotFound) && !errors.Is(err, archive.ErrContent) &&
		!errors.Is(err, archive.ErrTooLarge): // the app writes its answer anew over what cannot be read
		return g, fmt.Errorf("read the answer to a command: %w", err)
	}
	return g, nil
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
)

// What the administrators of the year have done.
const (
	yearCommands = 100 // for each app, in the last six days: an older one is refused
	yearVersions = 24  // of the mapping, and of the settings
	auditToday   = 50  // lines of the audit log of the latest day; each former day has one
	auditDays    = 60
	benchAdmin   = "0a0b0c0d-0000-4000-8000-000000000001"
)

// writeStatus writes the progress of fetch and what administrators have left: settings, mapping, commands, audit log.
func (y *year) writeStatus(ctx context.Context) error {
	said := status.NewWriter(status.Options{Documents: y.store.Status(), Batches: y.store.Batches(), Now: time.Now,
		Source: "telemessage"}).Reporter("bench", slog.New(slog.DiscardHandler))
	said.Begin(ctx)
	said.Report("", status.State{Watermark: y.now.Truncate(time.Hour), Finished: 1})
	said.End(ctx, nil)
	for _, write := range []func(context.Context) error{y.writeSettings, y.writeCommands, y.writeAudit} {
		if err := write(ctx); err != nil {
			return err
		}
	}
	return nil
}

// writeSettings writes the settings and the mapping with their former versions. The set-up of the archive, which works,
// is under way: only then each of its steps has a page.
func (y *year) writeSettings(ctx context.Context) error {
	person := control.Person{By: benchAdmin, Name: "ann@contoso.com", At: y.now.Truncate(time.Second)}
	author := archive.MappingAuthor{By: person.By, Name: person.Name, At: person.At}
	etag := ""
	for n := range yearVersions {
		if _, err := control.UpdateConnector(ctx, y.store.Settings(), func(c *control.Connector) error {
			c.Terms = &control.Terms{Version: "2026-11", Person: person}
			return nil
		}); err != nil {
			return err
		}
		mapping := benchMapping(n)
		err := y.store.Mapping().KeepVersion(ctx, mapping, author)
		if err == nil {
			etag, err = y.store.Mapping().Replace(ctx, mapping, author, etag)
		}
		if err != nil {
			return err
		}
	}
	// What the person of a portal on one machine has entered opens all steps.
	_, err := y.store.Settings().Put(ctx, "drafts/00000000-0000-0000-0000-000000000000.json", map[string]any{"v": 1,
		"done": map[string]map[string]string{"source": {}, "mapping": {}, "domains": {}}}, "", nil)
	return err
}

// benchMapping returns a mapping of all people. Each version has another last line.
func benchMapping(version int) []byte {
	var b strings.Builder
	b.WriteString("External User ID,Microsoft 365 User Mailbox,Valid From,Valid To\n")
	for n := range yearPeople {
		fmt.Fprintf(&b, "+447700900%03d,person.number%d@contoso.com,,\n", n, n)
	}
	fmt.Fprintf(&b, "person.version%d@contoso.com,person.number0@contoso.com,,\n", version)
	return []byte(b.String())
}

// writeCommands writes commands for both apps, and their answers as the apps do.
func (y *year) writeCommands(ctx context.Context) error {
	for app, kind := range map[string]control.Kind{"fetch": control.Run, "import": control.Tally} {
		for n := range yearCommands {
			at := y.now.Add(-6 * 24 * time.Hour).Add(time.Duration(n) * time.Hour).Truncate(time.Second)
			if _, err := control.Give(ctx, y.store.Commands(), app, at, fmt.Sprintf("%08x", n), benchAdmin,
				control.Command{Kind: kind}); err != nil {
				return err
			}
		}
		answers := y.store.Status()
		if app == "import" {
			answers = y.store.Reports()
		}
		queue := control.NewQueue(control.Options{App: app, Commands: y.store.Commands(), Answers: answers,
			Now: time.Now})
		tasks, err := queue.Pending(ctx)
		if err == nil && len(tasks) != yearCommands {
			err = fmt.Errorf("%d commands of %s are not answered, not %d", len(tasks), app, yearCommands)
		}
		for _, task := range tasks {
			if err == nil {
				err = queue.Finish(ctx, task, control.Done, "Everything was done.")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// command returns the path of a command of the year.
func (y *year) command(ctx context.Context) (string, error) {
	all, err := control.ListGiven(ctx, y.store.Commands(), map[string]*archive.Documents{
		"fetch": y.store.Status(), "import": y.store.Reports()})
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("find a command of the year: %d, %w", len(all), err)
	}
	return all[0].App + "/" + all[0].Name, nil
}

// writeAudit writes the audit log.
func (y *year) writeAudit(ctx context.Context) error {
	at := y.now
	logs := audit.New(audit.Options{Logs: y.store.Audit(), Now: func() time.Time { return at }})
	for line := range auditDays + auditToday {
		at = y.now.AddDate(0, 0, min(0, line-auditDays)).Truncate(24 * time.Hour).Add(time.Duration(line) * time.Second)
		if err := logs.Append(ctx, audit.Entry{At: at, By: benchAdmin, Name: "ann@contoso.com", Role: "administrator",
			Action: "command.tally", Object: fmt.Sprintf("%08x", line)}); err != nil {
			return err
		}
	}
	return nil
}

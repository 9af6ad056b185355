// Package inspect reads a folder of ZIPs as the vendor delivered them and reports, without any content, which of the
// assumptions of docs/delivery.md hold in them. Names, numbers, addresses and texts appear as their shape only, so the
// report can be passed on.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/zipread"
)

// report is what was found in a folder.
type report struct {
	zips, unreadable, named, complete   int
	entries, messages, others           int
	records, repeated, derived, wrapped int
	senders, people, numberless         int
	encrypted, labelled                 int

	ids    map[string]bool
	tables map[string]tally
}

// Folder inspects all *.zip in a folder and below it, and prints the report. It changes nothing.
func Folder(dir string, w io.Writer) error {
	r := &report{ids: map[string]bool{}, tables: map[string]tally{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".zip") {
			return r.readFile(path)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the folder: %w", err)
	}
	if r.zips == 0 {
		return errors.New("there is no *.zip in the folder")
	}
	return r.print(w)
}

func (r *report) count(table, text string) {
	if r.tables[table] == nil {
		r.tables[table] = tally{}
	}
	r.tables[table].add(text)
}

// readFile reads one ZIP.
func (r *report) readFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	r.zips++
	name, ok := delivery.ParseName(filepath.Base(path))
	if ok {
		r.named++
		r.count("form of TimeZipped", shapeOf(name.Zipped))
	}
	a, err := zipread.Open(file, info.Size(), zipread.DefaultLimits())
	if errors.Is(err, zipread.ErrFormat) || errors.Is(err, zipread.ErrTooMany) {
		r.unreadable++
		return nil
	}
	if err != nil {
		return err
	}
	return r.readZIP(a)
}

// readZIP reads the entries of a ZIP: the manifests first, as they are judged with the names of all entries.
func (r *report) readZIP(a *zipread.Archive) error {
	var files []delivery.File
	names := map[string]bool{}
	for _, e := range a.Entries {
		names[e.Name] = true
		files = append(files, delivery.File{Name: e.Name, Message: e.Kind == zipread.Message, Twice: e.Twice,
			Manifest: e.Kind == zipread.Manifest, Empty: e.Size == 0, Folder: e.Problem == zipread.Folder})
		r.count("names of entries", shapeOf(e.Name))
	}
	var manifests []*delivery.ListManifest
	for _, e := range a.Entries {
		var err error
		switch r.entries++; e.Kind {
		case zipread.Message:
			r.messages++
			err = r.readMessage(a, e)
		case zipread.Manifest:
			err = r.readManifest(a, e, names, &manifests)
		default:
			r.others++
		}
		if err != nil {
			return err
		}
	}
	verdict := delivery.JudgeZIP(files, manifests)
	if len(verdict.Reasons) == 0 {
		r.complete++
	}
	for _, reason := range verdict.Reasons {
		r.count("why ZIPs are incomplete (9 stands for numbers)", digits.ReplaceAllString(reason, "9"))
	}
	return nil
}

var digits = regexp.MustCompile(`\d+`)

func (r *report) readManifest(a *zipread.Archive, e zipread.Entry, names map[string]bool,
	all *[]*delivery.ListManifest) error {
	problem, err := a.Read(e, func(in io.Reader) error {
		m, err := delivery.ReadManifest(context.Background(), in, func(name string) bool { return names[name] })
		if err == nil {
			*all = append(*all, m)
			for _, line := range m.Kept {
				r.count("lines of manifests that are neither a count nor a name", shapeOf(line))
			}
		}
		return err
	})
	if problem != "" {
		r.count("problems of entries", string(problem))
	}
	return err
}

// readMessage reads one message as fetch and import do.
func (r *report) readMessage(a *zipread.Archive, e zipread.Entry) error {
	var entry record.Entry
	problem, err := a.Read(e, func(in io.Reader) (err error) {
		entry, err = delivery.Describe(in, delivery.Options{})
		return err
	})
	if err != nil {
		return err
	}
	if problem == "" && e.Problem != "" {
		problem = e.Problem
	}
	if problem != "" {
		r.count("problems of entries", string(problem))
	}
	if entry.Version == 0 {
		return nil // not read
	}
	if entry.Mail != nil {
		r.readHeader(entry.Mail)
	}
	rec, err := delivery.Parse(entry)
	if err != nil {
		r.count("messages that would be quarantined", err.Error()) // a fault never repeats content
		return nil
	}
	r.readRecord(rec)
	return nil
}

// fieldName is what a name of a header field may be to be printed; any other is shown as its shape.
var fieldName = regexp.MustCompile(`^[A-Za-z_-]{1,60}$`)

// shown are the fields whose values are shown as shapes.
var shown = []string{"Date", "From", "To", "Subject", "X-TELEMESSAGE-ArchiveMessageID", "X-TELEMESSAGE-MessageType",
	"X-TELEMESSAGE-Status", "X-TELEMESSAGE-ArchiveSource", "X-TELEMESSAGE-ArchiveInitiator", "X-TELEMESSAGE-THREAD_ID"}

// readHeader counts the fields of a header.
func (r *report) readHeader(m *record.Mail) {
	if len(m.Wrapper) > 0 {
		r.wrapped++
	}
	for _, f := range m.Header {
		name := f[0]
		if !fieldName.MatchString(name) {
			name = "(" + shapeOf(name) + ")"
		}
		if f[1] == "" {
			name += " (empty)"
		}
		r.count("fields of headers", name)
		at := slices.IndexFunc(shown, func(s string) bool { return record.EqualFoldASCII(s, f[0]) })
		if at >= 0 && f[1] != "" {
			r.count("form of "+shown[at], shapeOf(f[1]))
		}
	}
}

// readRecord counts what a record has.
func (r *report) readRecord(rec *record.Record) {
	r.records++
	if r.ids[rec.ID] {
		r.repeated++
	}
	r.ids[rec.ID] = true
	if rec.Derived {
		r.derived++
	}
	if rec.Subject == "" {
		r.labelled++
	}
	if rec.From.Value != "" {
		r.senders++
	}
	for _, p := range rec.Participants() {
		if r.people++; p.Value == "" {
			r.numberless++
		}
	}
	switch rec.Kind {
	case record.SMS, record.MMS, record.CallLog, record.CallAudio, record.System:
		r.count("kinds", string(rec.Kind))
	default:
		r.count("kinds", "another one: "+shapeOf(string(rec.Kind)))
	}
	r.count("types of texts", typeShape(rec.ContentType))
	for _, at := range rec.Attachments {
		media, _, _ := strings.Cut(at.Type, ";")
		r.count("types of other parts", typeShape(media))
	}
	for _, left := range rec.LeftOut {
		r.count("what records lack", left)
		if strings.HasPrefix(left, "text (it is encrypted") {
			r.encrypted++
		}
	}
}

// knownType is what a content type may be to be printed.
var knownType = regexp.MustCompile(
	`^(text|image|audio|video|application|message|multipart)/[a-z][a-z.+-]{0,60}\d{0,2}$`)

func typeShape(media string) string {
	switch {
	case media == "":
		return "(none)"
	case knownType.MatchString(media):
		return media
	}
	return "(" + shapeOf(media) + ")"
}

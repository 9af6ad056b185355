package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/usermap"
)

const (
	maxFile = 10_000_000 // bytes of a mapping file
	maxList = 100        // rows of each list of a report

	maxRowsOfNumber = 5 // of a number in such a row
)

const fromNumber = "number" // where a file comes from that is made by adding numbers

// upload is the report about a mapping file that waits for its confirmation. The file itself is beside the draft.
type upload struct {
	At       time.Time `json:"at"`
	From     string    `json:"from"` // file, version or number: where it comes from
	SHA256   string    `json:"sha256"`
	Size     int       `json:"size"`
	Encoding string    `json:"encoding,omitempty"`
	Rows     int       `json:"rows"`
	Numbers  int       `json:"numbers"`
	People   int       `json:"people"`

	Dates []usermap.DateForm `json:"dates,omitempty"`

	// If Refused is not empty, the file can't be used.
	Refused []usermap.LineError `json:"refused,omitempty"`
	More    int                 `json:"more,omitempty"`

	// Against is the ETag of the file in force that it was compared with; "": there was none.
	Against string  `json:"against,omitempty"`
	Added   changes `json:"added"`
	Removed changes `json:"removed"`
	Changed changes `json:"changed"`

	// NoUser are mailboxes that import has found no user for, and Unseen counts those that it has not looked up.
	NoUser      []string  `json:"noUser,omitempty"`
	NoUserCount int       `json:"noUserCount,omitempty"`
	Unseen      int       `json:"unseen,omitempty"`
	SeenAt      time.Time `json:"seenAt,omitzero"`
}

// Bytes returns the size in the type that pages show.
func (u upload) Bytes() int64 { return int64(u.Size) }

// changes are the first rows of a list, and the number of all.
type changes struct {
	Count int              `json:"count"`
	Rows  []usermap.Change `json:"rows,omitempty"`
}

// firstChanges returns the first ones, each with its first rows: a number may have a hundred rows, with dates.
func firstChanges(all []usermap.Change) changes {
	c := changes{Count: len(all)}
	for _, change := range all[:min(len(all), maxList)] {
		change.Old, change.New = firstRows(change.Old), firstRows(change.New)
		c.Rows = append(c.Rows, change)
	}
	return c
}

func firstRows(all []string) []string {
	if n := len(all) - maxRowsOfNumber; n > 1 {
		return append(slices.Clone(all[:maxRowsOfNumber]), fmt.Sprintf("and %d more", n))
	}
	return all
}

// propose keeps a mapping file as the person's draft, with a report about it. Nothing uses the file until it is
// confirmed.
func (s *Setup) propose(r *web.Request, st *state, from string, data []byte) error {
	ctx := r.Context()
	u := &upload{At: s.opts.Now().UTC(), From: from, SHA256: archive.HashMapping(data), Size: len(data)}
	table, err := usermap.ParseCSV(bytes.NewReader(data), s.opts.Deployed.Region)
	refused, isRefused := errors.AsType[*usermap.CSVError](err)
	switch {
	case isRefused:
		u.Refused, u.More = refused.Lines, refused.More
	case err != nil:
		return err
	default:
		if err := s.describe(ctx, u, table); err != nil {
			return err
		}
		// before the draft names it, and beside the file that the draft names until then
		if err := s.opts.Mapping.PutDraft(ctx, r.Person.ID, data); err != nil {
			return err
		}
	}
	before := hashOfUpload(&st.draft)
	return s.editDraft(r, st, func(d *draft) error {
		// the same form, in another process, has the same effect; another one's file is not lost without a word
		if now := hashOfUpload(d); now != before && now != u.SHA256 {
			return errDraftChanged
		}
		d.Upload = u
		return nil
	})
}

// hashOfUpload returns the hash of the file that waits for its confirmation, or "".
func hashOfUpload(d *draft) string {
	if d.Upload == nil {
		return ""
	}
	return d.Upload.SHA256
}

// describe adds to a report what a file has, and what it changes.
func (s *Setup) describe(ctx context.Context, u *upload, table *usermap.Table) error {
	addresses := table.Addresses()
	u.Encoding, u.Rows, u.Numbers, u.People = table.Encoding(), table.Rows(), table.Len(), len(addresses)
	u.Dates = table.Dates()
	before, _, etag, err := s.opts.Mapping.InForce(ctx)
	var old *usermap.Table
	switch {
	case errors.Is(err, archive.ErrNotFound):
	case err != nil:
		return err
	default:
		u.Against = etag
		// A file that can't be used maps no one: import does nothing until it is replaced.
		if old, err = usermap.ParseCSV(bytes.NewReader(before), s.opts.Deployed.Region); err != nil {
			old = nil
		}
	}
	d := usermap.Compare(old, table)
	u.Added, u.Removed, u.Changed = firstChanges(d.Added), firstChanges(d.Removed), firstChanges(d.Changed)
	seen, err := readSeenUsers(ctx, s.opts.Reports)
	if err != nil {
		return err
	}
	u.SeenAt = seen.at
	for _, address := range addresses {
		switch ok, known := seen.valid[address]; {
		case !known:
			u.Unseen++
		case !ok:
			if u.NoUserCount++; len(u.NoUser) < maxList {
				u.NoUser = append(u.NoUser, address)
			}
		}
	}
	return nil
}

// readUpload returns the file that a form holds. wrong is what is wrong with it.
func readUpload(r *web.Request) (data []byte, wrong string, err error) {
	file, _, err := r.FormFile("file")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return nil, "Choose a file.", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	data, err = io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("read an uploaded file: %w", err)
	case len(data) > maxFile:
		return nil, "The file is larger than 10 MB.", nil
	case len(data) == 0:
		return nil, "The file is empty.", nil
	}
	return data, "", nil
}

// errNoDraft is the answer to a confirmation of a file that is not there any more.
var errNoDraft = &web.Error{Status: http.StatusConflict,
	Says: "The file that you confirm is not the one that you uploaded last.",
	Do:   "Go back to the page of the mapping, and look at the report of the file that is there."}

var errFileChanged = &web.Error{Status: http.StatusConflict,
	Says: "The mapping file was changed since your report was made.",
	Do:   "Upload your file again: the new report shows what it changes against the file that is in force now."}

// confirm puts the uploaded file in force. The former file and the new one are kept as versions before; the file in
// force is replaced in one write, if it is still the one that the report was made against.
func (s *Setup) confirm(r *web.Request, st *state) error {
	ctx, sha := r.Context(), r.PostFormValue("sha256")
	before, former, etag, err := s.opts.Mapping.InForce(ctx)
	none := errors.Is(err, archive.ErrNotFound)
	if err != nil && !none {
		return err
	}
	u := st.draft.Upload
	if !none && former.SHA256 == sha { // it came twice, or the file is the one in force
		return s.dropUpload(r, st, sha)
	}
	if u == nil || len(u.Refused) > 0 || u.SHA256 != sha {
		return errNoDraft
	}
	if u.Against != etag {
		return errFileChanged
	}
	data, err := s.opts.Mapping.ReadDraft(ctx, r.Person.ID, sha)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return errNoDraft
	case err != nil:
		return err
	}
	err = s.record(r, "mapping.replaced", sha, fmt.Sprintf("Put a mapping file in force: %d numbers, %d added, "+
		"%d removed, %d changed", u.Numbers, u.Added.Count, u.Removed.Count, u.Changed.Count))
	if err != nil {
		return err
	}
	author := archive.MappingAuthor{By: r.Person.ID, Name: r.Person.Name, At: s.opts.Now()}
	if !none {
		if err := s.opts.Mapping.KeepVersion(ctx, before, former.MappingAuthor); err != nil {
			return err
		}
	}
	if err := s.opts.Mapping.KeepVersion(ctx, data, author); err != nil {
		return err
	}
	_, err = s.opts.Mapping.Replace(ctx, data, author, etag)
	if errors.Is(err, archive.ErrChanged) || errors.Is(err, archive.ErrExists) {
		var now archive.MappingVersion
		if now, _, err = s.opts.Mapping.Describe(ctx); err == nil && now.SHA256 != sha { // else it came twice at once
			return errFileChanged
		}
	}
	if err != nil {
		return err
	}
	return s.dropUpload(r, st, sha)
}

// dropUpload discards the file that waits for its confirmation, if it is the one with that hash.
func (s *Setup) dropUpload(r *web.Request, st *state, sha string) error {
	if hashOfUpload(&st.draft) != sha {
		return nil
	}
	return s.editDraft(r, st, func(d *draft) error {
		if hashOfUpload(d) == sha {
			d.Upload = nil
		}
		return nil
	})
}

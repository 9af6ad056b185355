package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
)

// The limit of tests of credentials, in all and so for each person too: a vendor locks an account after a few refusals.
const (
	maxTries  = 3
	triesTime = time.Minute
)

// keptTries is the number of tests whose forms are known when they come again, however late: a form that was tested and
// stored a second time would put a former secret back, without a line of the audit log. A rule of the storage account
// deletes them 92 days after the last test.
const keptTries = 1000

const triesBlob = draftFolder + "tries.json"

// triesDocument is the beginnings of the last tests, the latest last. It is in storage, because a process may end after
// each try, and several can run.
type triesDocument struct {
	Version int        `json:"v"` // 1
	Tries   []tryBegun `json:"tries"`
}

type tryBegun struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`   // object id
	Form string    `json:"form"` // id
}

// sentBefore is the error of a form that has begun a test before.
type sentBefore struct{ at time.Time }

func (sentBefore) Error() string { return "the form was sent before" }

// beginTry counts a test of credentials before it begins. The error is a *web.Error if there were too many, and
// sentBefore if this very form has begun one.
func (s *Setup) beginTry(r *web.Request) error {
	for range maxTries + 1 {
		err := s.countTry(r.Context(), r.Person.ID, r.FormID)
		if !errors.Is(err, archive.ErrChanged) && !errors.Is(err, archive.ErrExists) {
			return err
		}
	}
	return s.errTooMany(s.opts.Now().Add(triesTime))
}

func (s *Setup) countTry(ctx context.Context, by, form string) error {
	var d triesDocument
	etag, err := s.opts.Settings.Get(ctx, triesBlob, &d)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		etag = ""
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge):
		d, etag = triesDocument{}, "*"
	case err != nil:
		return err
	}
	now := s.opts.Now().UTC()
	recent, oldest := 0, now
	for _, t := range d.Tries {
		if t.Form == form {
			return sentBefore{t.At}
		}
		if now.Sub(t.At) < triesTime {
			recent++
			if t.At.Before(oldest) {
				oldest = t.At
			}
		}
	}
	if recent >= maxTries {
		return s.errTooMany(oldest.Add(triesTime))
	}
	last := d.Tries[max(0, len(d.Tries)-keptTries+1):]
	d = triesDocument{Version: 1, Tries: append(last, tryBegun{now, by, form})}
	_, err = s.opts.Settings.Put(ctx, triesBlob, d, etag, nil)
	return err
}

func (s *Setup) errTooMany(until time.Time) error {
	wait := int(max(1, until.Sub(s.opts.Now()).Seconds()))
	return &web.Error{Status: http.StatusTooManyRequests,
		Says: "There were 3 tests within a minute, and each refusal brings the account closer to being locked.",
		Do: fmt.Sprintf("Nothing was tested or stored. Wait %d seconds, type what is secret again, and send the form.",
			wait)}
}

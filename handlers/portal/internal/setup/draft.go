package setup

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/identity"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
)

// draft is what one person has entered and not finished: settings/drafts/<object id>.json. It never holds a secret.
type draft struct {
	Version int       `json:"v"` // 1
	At      time.Time `json:"at"`

	// Input is what the fields of each form held when it was sent last, valid or not.
	Input map[string]map[string]string `json:"input,omitempty"`
	// Done has, for each step that is done, the settings that it leads to.
	Done map[string]map[string]string `json:"done,omitempty"`

	HostKey *shownKey `json:"hostKey,omitempty"` // of the SFTP server, to be compared
	Upload  *upload   `json:"upload,omitempty"`  // a mapping file that waits for its confirmation
	// Secret is the id of the form whose secrets were stored for the step of the source.
	Secret string `json:"secret,omitempty"`
	// Ended is the id of the last form of an account whose test has ended, passed or not.
	Ended string `json:"ended,omitempty"`
}

const draftFolder = "drafts/" // of the container settings

func draftName(p identity.Person) string { return draftFolder + p.ID + ".json" }

// loadDraft returns the draft of a person; an empty one if there is none, or if it can't be read: it holds nothing that
// can't be typed again.
func (s *Setup) loadDraft(ctx context.Context, p identity.Person) (d draft, etag string, err error) {
	etag, err = s.opts.Settings.Get(ctx, draftName(p), &d)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return draft{}, "", nil
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge), err == nil && d.Version != 1:
		return draft{}, "*", nil
	}
	return d, etag, err
}

// errDraftChanged is the answer if two forms of one person change the same.
var errDraftChanged = &web.Error{Status: http.StatusConflict,
	Says: "You have sent another form of the set-up at the same time, perhaps in another window.",
	Do:   "Load the page again: it shows what was saved last."}

// draftTries is how often a change of a draft is tried: a person has few windows.
const draftTries = 10

// editDraft changes the draft of st, and writes it. If another form of the person has changed it since it was read,
// edit is called again, for what that one has left. Its error is returned, and nothing is written.
func (s *Setup) editDraft(r *web.Request, st *state, edit func(*draft) error) error {
	for range draftTries {
		if err := edit(&st.draft); err != nil {
			return err
		}
		err := s.saveDraft(r, st)
		if !errors.Is(err, errDraftChanged) {
			return err
		}
		if st.draft, st.etag, err = s.loadDraft(r.Context(), r.Person); err != nil {
			return err
		}
	}
	return errDraftChanged
}

// saveDraft writes the draft of st, if it is as it was read. Otherwise the error is errDraftChanged.
func (s *Setup) saveDraft(r *web.Request, st *state) error {
	st.draft.Version, st.draft.At = 1, s.opts.Now().UTC()
	etag, err := s.opts.Settings.Put(r.Context(), draftName(r.Person), st.draft, st.etag, nil)
	if errors.Is(err, archive.ErrChanged) || errors.Is(err, archive.ErrExists) {
		return errDraftChanged
	}
	if err == nil {
		st.etag = etag
	}
	return err
}

func (d *draft) setInput(form string, in map[string]string) {
	if d.Input == nil {
		d.Input = map[string]map[string]string{}
	}
	d.Input[form] = in
}

func (d *draft) setDone(step string, values map[string]string) {
	if d.Done == nil {
		d.Done = map[string]map[string]string{}
	}
	d.Done[step] = values
}

// allInput returns the fields of a form that a request holds, without blanks around them. long says of each field that
// is too long that it is: the form MUST then be refused.
func allInput(r *web.Request, fields []string) (in, long map[string]string) {
	in, long = make(map[string]string, len(fields)), map[string]string{}
	for _, name := range fields {
		in[name] = strings.ToValidUTF8(strings.TrimSpace(r.PostFormValue(name)), "")
		if len(in[name]) > maxInput {
			long[name] = "This is longer than 4,096 bytes, so nothing was saved."
		}
	}
	return in, long
}

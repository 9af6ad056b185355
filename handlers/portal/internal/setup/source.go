package setup

import (
	"context"
	"errors"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/vault"
)

// testTime bounds one test of credentials, and storeTime what is done after it: together they are shorter than what a
// request to this application may take.
const (
	testTime  = 30 * time.Second
	storeTime = 20 * time.Second
)

// sourceForm is the form of the account at the source, as a person has sent it.
type sourceForm struct {
	wizard bool
	in     map[string]string // nil: it was not sent
	wrong  map[string]string // by field
	failed *failedTest       // what the test, or the vault, has said

	asked   bool              // the server was asked for its key
	hostKey *shownKey         // that it has shown; nil: none
	values  map[string]string // the settings to which the step leads
	secret  string            // id of the form whose secrets were stored
}

// failedTest is a test that did not pass.
type failedTest struct{ Says, Do string }

type sourceData struct {
	Steps     []stepView // nil outside of the set-up
	Action    string
	Site      string // host of the TeleMessage site
	Landing   string // host of the landing container's account
	SFTP      bool
	In, Wrong map[string]string
	Seen      string // hash of the settings that the page shows
	Failed    *failedTest
	Broken    string // the deployment lacks something
	Done      bool   // the step is done
	HostKey   *shownKey
	Accepted  bool // the key was accepted in this form
	Password  bool // there is a place for it
	Key       bool
	Phrase    bool
	Folder    string
	Unended   bool // a change of the account was begun and not ended, by any administrator
	Taken     bool // since the step was done, secrets of another account were stored
}

// sourceFields are the fields of the form that are no secrets.
var sourceFields = []string{"username", "host", "folder", "accept", "keep"}

func (s *Setup) showSource(r *web.Request, st state, f sourceForm) (web.Answer, error) {
	c, deployed := st.connector, s.opts.Deployed
	d := sourceData{Action: "/settings/source", In: map[string]string{}, Wrong: f.wrong, Seen: s.seenSource(c),
		Failed: f.failed, SFTP: s.bySFTP(), HostKey: st.draft.HostKey, Folder: s.value(c, deliveryFolder)}
	title := "Account at the source"
	claim, err := s.readClaim(r.Context())
	if err != nil {
		return web.Answer{}, err
	}
	if f.wizard {
		d.Steps, d.Action, title = viewSteps(st, stepSource), "/setup/"+stepSource, "Source"
		d.Done = isDone(st, stepSource)
		d.Taken = d.Done && len(s.accountSettings()) > 0 && !s.isLatest(claim, r, st.draft)
	} else {
		d.Unended = s.isUnended(claim, c)
	}
	switch {
	case s.opts.Broken != nil:
		d.Broken = s.opts.Broken.Error()
	case deployed.Source == settings.Telemessage:
		d.Site = deployed.Site.Hostname()
		d.In["username"], d.Password = s.value(c, siteUser), s.opts.Password != nil
		if s.opts.Password == nil {
			d.Broken = "the deployment has no place for the password: TELEMESSAGE_PASSWORD_SECRET is missing in the " +
				"portal's settings"
		}
	case d.SFTP:
		d.In["host"], d.In["username"], d.In["folder"] = s.value(c, sftpHost), s.value(c, sftpUser), d.Folder
		d.Password, d.Key, d.Phrase = s.opts.SFTPPassword != nil, s.opts.SFTPKey != nil, s.opts.SFTPPassphrase != nil
		if !d.Password && !d.Key {
			d.Broken = "the deployment has no place for a password or a key: DELIVERY_SFTP_PASSWORD_SECRET and " +
				"DELIVERY_SFTP_KEY_SECRET are missing in the portal's settings"
		}
	default:
		d.Landing = deployed.Landing.Hostname()
	}
	if f.wizard {
		copyInput(d.In, st.draft.Input[stepSource])
	}
	copyInput(d.In, f.in)
	if k := d.HostKey; k != nil && k.Host != d.In["host"] {
		d.HostKey = nil
	}
	d.Accepted = d.HostKey != nil && d.In["accept"] == d.HostKey.Fingerprint
	return showPage("setup-source", title, "settings", "", d)
}

func copyInput(to, from map[string]string) {
	for name, v := range from {
		to[name] = v
	}
}

// tested is an account that has passed its test.
type tested struct {
	values  map[string]string // settings
	secrets []secretToStore
}

// secretToStore is a secret and its place.
type secretToStore struct {
	to    Secret
	value settings.Secret
}

// sendSource tests the account that a form holds, stores its secrets, and keeps the rest: as a draft in the set-up, and
// else as settings. A form that is refused is shown again with what it held, but for what is secret.
func (s *Setup) sendSource(r *web.Request, st state, wizard bool) (web.Answer, error) {
	f := sourceForm{wizard: wizard}
	f.in, f.wrong = allInput(r, sourceFields)
	if s.opts.Broken != nil || len(f.wrong) > 0 {
		return s.showSource(r, st, f)
	}
	path, err := s.carryOutSource(r, &st, &f)
	if before, ok := errors.AsType[sentBefore](err); ok {
		return s.answerSentBefore(r, f, before)
	}
	refused, isRefused := errors.AsType[*web.Error](err)
	if err != nil && !isRefused {
		return web.Answer{}, err
	}
	// Only one of several requests with the same form comes here after its test: nothing of the draft is taken back.
	done := path != ""
	err = s.editDraft(r, &st, func(d *draft) error {
		d.Ended = r.FormID
		if f.asked {
			d.HostKey = f.hostKey
		}
		switch {
		case done && wizard:
			d.setInput(stepSource, f.in)
			d.setDone(stepSource, f.values)
			if f.secret != "" {
				d.Secret = f.secret
			}
		case done:
			d.HostKey = nil
		case wizard && !isRefused: // what is wrong with it, or the test, has said so
			d.setInput(stepSource, f.in)
			delete(d.Done, stepSource)
		}
		return nil
	})
	if err != nil || done {
		return seeOther(path, err)
	}
	if isRefused { // the page has what is in force now
		if st, err = s.load(r); err != nil {
			return web.Answer{}, err
		}
	}
	answer, err := s.showSource(r, st, f)
	if err == nil && isRefused {
		answer = answer.Refused(refused)
	}
	return answer, err
}

// carryOutSource returns the path to which the form leads, or "" if the test did not pass, or only the server's key was
// asked for; f then has what the page says.
func (s *Setup) carryOutSource(r *web.Request, st *state, f *sourceForm) (path string, err error) {
	var t tested
	switch {
	case s.opts.Deployed.Source == settings.Telemessage:
		t, err = s.testSite(r, st, f)
	case s.bySFTP():
		t, err = s.testServer(r, st, f)
	default:
		t.values = map[string]string{}
	}
	switch {
	case err != nil || t.values == nil:
		return "", err
	case !f.wizard:
		return s.changeSource(r, st, f, t)
	}
	worked, err := s.workOrHold(r.Context(), st.connector)
	switch {
	case err != nil:
		return "", err
	case worked && s.isAnother(st.connector, t):
		return "", errAtWork
	}
	if len(t.values) > 0 {
		claim, err := s.storeTested(r, *st, "source.secret",
			"Stored the secrets of the account at the source, after a test", t, f)
		if err != nil || f.failed != nil {
			return "", err
		}
		f.secret = claim.Form
		s.endClaim(r.Context(), &claim)
	}
	f.values = t.values
	return nextOf(stepSource), nil
}

// beginTest counts a test, and keeps what was entered, whatever becomes of it.
func (s *Setup) beginTest(r *web.Request, st *state, f *sourceForm) error {
	if err := s.beginTry(r); err != nil || !f.wizard {
		return err
	}
	return s.editDraft(r, st, func(d *draft) error {
		d.setInput(stepSource, f.in)
		delete(d.Done, stepSource)
		return nil
	})
}

// storeTested claims the places of the secrets for a tested account, and stores them. What it returns is held. f.failed
// is what the vault has said.
func (s *Setup) storeTested(r *web.Request, st state, action audit.Action, says string, t tested, f *sourceForm) (
	claim secretClaim, err error) {
	if claim, err = s.claimSecrets(r, st.connector, t); err != nil {
		return claim, err
	}
	if err := s.record(r, action, "", says); err != nil {
		return claim, err
	}
	if f.failed, err = storeSecrets(r.Context(), t.secrets); err != nil || f.failed != nil {
		return claim, err
	}
	claim.Stored = true
	return claim, s.putClaim(r.Context(), &claim)
}

// changeSource puts a tested account in force. The secrets are in another place than the user name, so a process that
// dies in between leaves a claim, which the page shows to every administrator: the form has to be sent again.
func (s *Setup) changeSource(r *web.Request, st *state, f *sourceForm, t tested) (path string, err error) {
	seen := r.PostFormValue("seen")
	if seen != s.seenSource(st.connector) {
		return "", web.ErrChanged
	}
	var claim secretClaim
	if len(t.values) > 0 {
		claim, err = s.storeTested(r, *st, "settings.source", "Changed the account at the source, after a test", t, f)
		if err != nil || f.failed != nil {
			return "", err
		}
	}
	err = s.updateConnector(r.Context(), func(c *control.Connector) error {
		switch {
		case hasSettings(*c, t.values):
			return errSame
		case seen != s.seenSource(*c):
			return web.ErrChanged
		}
		setSettings(c, t.values)
		return nil
	})
	if err != nil {
		return "", err
	}
	if len(t.values) > 0 {
		s.endClaim(r.Context(), &claim)
	}
	return sourceChanged, nil
}

// storeSecrets stores the secrets in their order. failed is what the vault has said.
func storeSecrets(ctx context.Context, all []secretToStore) (failed *failedTest, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	for _, secret := range all {
		err := secret.to.Store(ctx, secret.value)
		if said, ok := errors.AsType[*vault.Error](err); ok {
			return &failedTest{"The test passed, but " + said.Says + ".", startSentence(said.Do) + "."}, nil
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return &failedTest{"The test passed, but the vault did not answer in time.",
				"Send the form again; if it stays so, look at the vault's network settings."}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// ShowSource answers GET /settings/source.
func (s *Setup) ShowSource(r *web.Request) (web.Answer, error) {
	st, err := s.loadSetUp(r)
	if err != nil {
		return web.Answer{}, err
	}
	return s.showSource(r, st, sourceForm{})
}

// SendSource answers POST /settings/source.
func (s *Setup) SendSource(r *web.Request) (web.Answer, error) {
	st, err := s.loadSetUp(r)
	if err != nil {
		return web.Answer{}, err
	}
	return s.sendSource(r, st, false)
}

// readSecret returns the secret in a field, which is neither trimmed nor kept.
func readSecret(r *web.Request, field string, parse func(string) (settings.Secret, error)) (
	v settings.Secret, wrong string) {
	text := r.PostFormValue(field)
	if text == "" {
		return v, ""
	}
	v, err := parse(text)
	if err != nil {
		return v, "It " + err.Error() + "."
	}
	return v, ""
}

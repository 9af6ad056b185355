package setup

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/telemessage/client"
)

// testSite checks the fields of an account at the TeleMessage site, and asks the site for a count with it.
func (s *Setup) testSite(r *web.Request, st *state, f *sourceForm) (t tested, err error) {
	name, wrong := readSetting(siteUser, f.in["username"], (*settings.Reader).String)
	if f.in["username"] == "" {
		wrong = "Enter the user name."
	}
	if wrong != "" {
		f.wrong["username"] = wrong
	}
	password, wrong := readSecret(r, "password", settings.ParsePassword)
	if !password.Set() && wrong == "" {
		wrong = "Enter the password."
	}
	if wrong != "" {
		f.wrong["password"] = wrong
	}
	if len(f.wrong) > 0 || s.opts.Password == nil {
		return tested{}, nil
	}
	if err := s.beginTest(r, st, f); err != nil {
		return tested{}, err
	}
	if f.failed, err = s.askSite(r.Context(), name, password); err != nil || f.failed != nil {
		return tested{}, err
	}
	return tested{map[string]string{siteUser: name}, []secretToStore{{s.opts.Password, password}}}, nil
}

// askSite asks for the count of one minute, once. A site that offers no count is asked for the items of a minute of the
// year 2000, of which there are none: this application must not receive a message.
func (s *Setup) askSite(ctx context.Context, name string, password settings.Secret) (*failedTest, error) {
	site, err := client.New(s.opts.Deployed.Site, func(r *http.Request) { r.SetBasicAuth(name, password.Reveal()) },
		client.Options{HTTP: &http.Client{Transport: s.opts.Site}, Now: s.opts.Now, Tries: 1})
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	to := s.opts.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute)
	_, known, err := site.Count(bounded, to.Add(-time.Minute), to)
	if err == nil && !known {
		past := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		_, err = site.Items(bounded, past, past.Add(time.Minute), "", 1, func(client.Item) error { return nil })
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return explainSite(err), nil
}

// explainSite returns what a refusal of the site means, or nil if err is nil.
func explainSite(err error) *failedTest {
	const locked = " Several refusals one after the other lock the account."
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrUnknownUser):
		return &failedTest{"The site does not know this user name (code 300).",
			"Compare it with what the vendor has sent you." + locked}
	case errors.Is(err, client.ErrPassword):
		return &failedTest{"The site refuses the password (code 301).",
			"Type it again; capital letters count." + locked}
	case errors.Is(err, client.ErrSuspended):
		return &failedTest{"The site has suspended this user (code 309).",
			"Ask the vendor's support to unlock it. Do not try again before."}
	case errors.Is(err, client.ErrCredentials):
		return &failedTest{"The site refuses the user name or the password.",
			"Compare both with what the vendor has sent you." + locked}
	case errors.Is(err, context.DeadlineExceeded):
		return &failedTest{"The site did not answer within 30 seconds.",
			"Try again in a minute. If it stays so, ask the vendor whether the address of this application has to be " +
				"allowed there."}
	}
	return &failedTest{"The test could not be made: " + strings.TrimPrefix(err.Error(), "ask for the count: ") + ".",
		"The password was neither accepted nor refused. Try again in a minute; if it stays so, compare " +
			"the site's address above with the vendor's, and ask whether this application's address has " +
			"to be allowed there."}
}

// startSentence returns a text that begins with a capital letter.
func startSentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

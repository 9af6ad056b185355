package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

const secretBlob = draftFolder + "secret.json"

// claimTime is how long a claim keeps others from storing secrets. It is longer than a request may take, so the process
// that has made the claim is through or dead when it ends.
const claimTime = 90 * time.Second

// secretClaim tells for which account the secrets in the vault were stored last, or are being stored. The vault has one
// place for all administrators, while each has a draft of their own: without the claim, one's user name could come into
// force with another's password. It is written before each secret, and held until the user name is in force or, in the
// set-up, until the secrets are stored.
type secretClaim struct {
	Version int       `json:"v"`       // 1
	Form    string    `json:"form"`    // id
	By      string    `json:"by"`      // object id
	Account string    `json:"account"` // hash of the settings that the secrets belong to
	At      time.Time `json:"at"`
	Until   time.Time `json:"until,omitzero"` // it is held; zero: it is not
	Stored  bool      `json:"stored"`         // all secrets of the form are in the vault

	etag string
}

func (s *Setup) readClaim(ctx context.Context) (c secretClaim, err error) {
	etag, err := s.opts.Settings.Get(ctx, secretBlob, &c)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return secretClaim{}, nil
	case errors.Is(err, archive.ErrContent), errors.Is(err, archive.ErrTooLarge), err == nil && c.Version != 1:
		return secretClaim{etag: "*"}, nil
	}
	c.etag = etag
	return c, err
}

// putClaim writes a claim in the place of the one that it was made from.
func (s *Setup) putClaim(ctx context.Context, c *secretClaim) error {
	etag, err := s.opts.Settings.Put(ctx, secretBlob, *c, c.etag, nil)
	if errors.Is(err, archive.ErrChanged) || errors.Is(err, archive.ErrExists) {
		return errTaken
	}
	if err == nil {
		c.etag = etag
	}
	return err
}

// claimSecrets claims the places of the secrets for an account that has passed its test. While another account's claim
// is held, it is refused. So it is if the secrets of the vault are to be kept and are another person's, for an account
// that never came into force.
func (s *Setup) claimSecrets(r *web.Request, now control.Connector, t tested) (secretClaim, error) {
	former, err := s.readClaim(r.Context())
	if err != nil {
		return former, err
	}
	at, own, keep := s.opts.Now().UTC(), former.By == r.Person.ID, len(t.secrets) == 0
	account := hashSettings(s.accountSettings(), valuesOf(t.values))
	switch {
	case at.Before(former.Until) && (!own || former.Account != account):
		return former, errHeld(former.Until.Sub(at))
	case keep && former.Form != "" && !own && former.Account != s.accountInForce(now):
		return former, errTaken
	}
	claim := secretClaim{Version: 1, Form: r.FormID, By: r.Person.ID, Account: account, At: at,
		Until: at.Add(claimTime), Stored: keep, etag: former.etag}
	return claim, s.putClaim(r.Context(), &claim)
}

// holdClaim holds the claim of the draft's own test again, while its account is put in force. It is refused if the
// secrets in the vault are not the latest of this person, for this account. The same form may hold it, too, in another
// process.
func (s *Setup) holdClaim(r *web.Request, d draft) (secretClaim, error) {
	for range draftTries {
		c, err := s.readClaim(r.Context())
		if err != nil {
			return c, err
		}
		if !s.isLatest(c, r, d) {
			return c, errTaken
		}
		c.Until = s.opts.Now().UTC().Add(claimTime)
		if err = s.putClaim(r.Context(), &c); !errors.Is(err, errTaken) {
			return c, err
		}
	}
	return secretClaim{}, errTaken
}

// isLatest reports whether the secrets in the vault are those that this person has tested for the account of the draft.
func (s *Setup) isLatest(c secretClaim, r *web.Request, d draft) bool {
	return c.Stored && c.Form == d.Secret && c.By == r.Person.ID &&
		c.Account == hashSettings(s.accountSettings(), valuesOf(d.Done[stepSource]))
}

// endClaim lets others store secrets. If it fails, the claim ends by itself after claimTime.
func (s *Setup) endClaim(ctx context.Context, c *secretClaim) {
	c.Until = time.Time{}
	_ = s.putClaim(ctx, c)
}

// isAnother reports whether another account is in force than the tested one. An archive that works goes on with it
// until the set-up is finished: that one's secrets must stay until then.
func (s *Setup) isAnother(now control.Connector, t tested) bool {
	for _, name := range s.accountSettings() {
		if inForce := s.value(now, name); inForce != "" && inForce != t.values[name] {
			return true
		}
	}
	return false
}

// isUnended reports whether the secrets in the vault may be for another account than the one in force.
func (s *Setup) isUnended(claim secretClaim, now control.Connector) bool {
	return claim.Form != "" && (!claim.Stored || claim.Account != s.accountInForce(now))
}

// accountSettings are the settings that a secret belongs to.
func (s *Setup) accountSettings() []string {
	switch {
	case s.bySFTP():
		return []string{sftpHost, sftpUser}
	case s.opts.Deployed.Source == settings.Telemessage:
		return []string{siteUser}
	}
	return nil
}

func (s *Setup) accountInForce(c control.Connector) string {
	return hashSettings(s.accountSettings(), func(name string) string { return s.value(c, name) })
}

// seenSource returns the hash of all settings that the form of the source changes: the form has it as the person saw
// them.
func (s *Setup) seenSource(c control.Connector) string {
	all := []string{siteUser, sftpHost, sftpUser, sftpHostKeys, deliveryFolder}
	return hashSettings(all, func(name string) string { return s.value(c, name) })
}

// hashSettings returns a hash of some settings: they are compared, and not kept in plain text.
func hashSettings(names []string, value func(string) string) string {
	var all []string
	for _, name := range names {
		all = append(all, name, value(name))
	}
	raw, _ := json.Marshal(all) // never fails
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

func valuesOf(all map[string]string) func(string) string {
	return func(name string) string { return all[name] }
}

// errTaken is the answer if the secrets in the vault may be those of another account.
var errTaken = &web.Error{Status: http.StatusConflict,
	Says: "The password or key in Key Vault may be another one than you have tested, so this account was not put in " +
		"force.",
	Do: "Test yours again, in the form of the source (/setup/source or /settings/source), with what is secret."}

// errAtWork is the answer if fetch would sign in with the secrets of another account.
var errAtWork = &web.Error{Status: http.StatusConflict,
	Says: "The archive works with another account, or was started with it, and goes on with it during the set-up, so " +
		"nothing was stored.",
	Do: "Change the account by itself first, under Settings, then Account at the source " +
		"(/settings/source), and go on here with the same."}

// errHeld is the answer while another account is being stored.
func errHeld(left time.Duration) error {
	return &web.Error{Status: http.StatusConflict,
		Says: "Another account is being stored at this moment, so nothing of yours was stored.",
		Do: fmt.Sprintf("Wait %d seconds, look at the form of the source again, and test yours again "+
			"if it is still to be used.", int(left.Seconds())+1)}
}

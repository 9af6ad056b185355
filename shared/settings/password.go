package settings

import (
	"errors"
	"net/url"
)

// SitePassword is where the password at the TeleMessage site is: either Value is set, or Address is.
type SitePassword struct {
	Value   Secret
	Address *url.URL // of a secret in Key Vault, without a version
}

// PasswordConfig reads the settings that begin with TELEMESSAGE_PASSWORD. Neither of them, or both together is a
// mistake that r.Err returns.
func PasswordConfig(r *Reader) SitePassword {
	before := len(r.problems)
	p := SitePassword{Value: r.Secret(sitePassword), Address: r.URL(sitePasswordSecret)}
	if len(r.problems) > before {
		return p
	}
	switch value, vault := p.Value.Set(), p.Address != nil; {
	case value && vault:
		r.fail(lookUp(sitePassword, secret), "is set beside "+sitePasswordSecret+": leave one of the two empty")
	case !value && !vault:
		r.fail(lookUp(sitePasswordSecret, address), "is missing; on one machine "+sitePassword+" can take its place")
	}
	return p
}

// ParsePassword returns a password that was not read as a setting. Its errors describe the mistake and do not contain
// the text.
func ParsePassword(v string) (Secret, error) {
	if v == "" {
		return Secret{}, errors.New("is empty")
	}
	v, err := checkPassword(v)
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(v), nil
}

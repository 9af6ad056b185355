package settings

import (
	"errors"
	"net/url"
)

// StoredSecret is a secret that stands in a setting or is kept in Key Vault. At most one of the two is set.
type StoredSecret struct {
	Value   Secret
	Address *url.URL // of a secret in Key Vault, without a version
}

// Set reports whether there is a secret.
func (s StoredSecret) Set() bool { return s.Value.Set() || s.Address != nil }

// storedSecret reads the two settings of a secret. Both together is a mistake.
func storedSecret(r *Reader, value, vault string) StoredSecret {
	s := StoredSecret{Value: r.Secret(value), Address: r.URL(vault)}
	if s.Value.Set() && s.Address != nil {
		r.fail(lookUp(value, secret), "is set beside "+vault+": leave one of the two empty")
	}
	return s
}

// PasswordConfig reads the settings that begin with TELEMESSAGE_PASSWORD. Neither of them, or both together is a
// mistake that r.Err returns.
func PasswordConfig(r *Reader) StoredSecret {
	before := len(r.problems)
	p := storedSecret(r, sitePassword, sitePasswordSecret)
	if len(r.problems) == before && !p.Set() {
		r.fail(lookUp(sitePasswordSecret, address), "is missing; on one machine "+sitePassword+" can take its place")
	}
	return p
}

// ParsePassword returns a password, or the passphrase of a key, that was not read as a setting. Its errors describe the
// mistake and do not contain the text.
func ParsePassword(v string) (Secret, error) { return parseSecret(v, checkPassword) }

// ParsePrivateKey is ParsePassword for the text of private keys.
func ParsePrivateKey(v string) (Secret, error) { return parseSecret(v, checkPrivateKey) }

func parseSecret(v string, check func(string) (string, error)) (Secret, error) {
	if v == "" {
		return Secret{}, errors.New("is empty")
	}
	v, err := check(v)
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(v), nil
}

package settings

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Reader reads settings one by one and collects their mistakes, so that an administrator sees all of them at once. It
// is not safe for concurrent use.
//
// A setting that is missing or empty has its default. Blanks around a value are removed, except around a secret.
// After a mistake the methods return the zero value of their type.
type Reader struct {
	lookup   func(string) (string, bool)
	problems []problem
}

// problem is the mistake in one setting.
type problem struct{ name, text string }

// Read returns a Reader that reads from lookup, e.g. os.LookupEnv. lookup is called only when a method needs a
// setting.
func Read(lookup func(string) (string, bool)) *Reader { return &Reader{lookup: lookup} }

// Err returns all mistakes so far, one line for each setting: its name, what is wrong, the form and a valid example.
// It never contains a value, because a password may have been pasted into the wrong setting. It is nil if there are
// no mistakes.
func (r *Reader) Err() error {
	all := make([]error, len(r.problems))
	for i, p := range r.problems {
		all[i] = errors.New(p.text)
	}
	return errors.Join(all...)
}

// Check reads all settings but those of another source, and returns every mistake, in the form of Err.
func Check(lookup func(string) (string, bool)) error {
	r := Read(lookup)
	from := r.String(source)
	StorageConfig(r) // first, and those of the source: they report missing settings only if each of theirs is valid
	switch from {
	case Telemessage:
		PasswordConfig(r)
	case Deliveries:
		DeliveryConfig(r)
	}
	for _, s := range allSettings() {
		if s.Source != "" && s.Source != from {
			continue
		}
		r.read(s)
	}
	return r.Err()
}

// read reads a setting of any kind, for the mistakes that it may have.
func (r *Reader) read(s Setting) {
	switch s.kind {
	case secret:
		r.Secret(s.Name)
	case number:
		r.Int(s.Name)
	case boolean:
		r.Bool(s.Name)
	case size:
		r.Bytes(s.Name)
	case duration:
		r.Duration(s.Name)
	case timestamp:
		r.Time(s.Name)
	case list:
		r.List(s.Name)
	case address:
		r.URL(s.Name)
	default:
		r.String(s.Name)
	}
}

// String reads a text in its normalized form: domains and names of clouds are unified, for example.
func (r *Reader) String(name string) string {
	s := lookUp(name, text)
	v, _ := r.checked(s, strings.TrimSpace)
	return v
}

// Secret reads a secret.
func (r *Reader) Secret(name string) Secret {
	s := lookUp(name, secret)
	v, _ := r.checked(s, func(v string) string { return v })
	return NewSecret(v)
}

// Int reads a whole number.
func (r *Reader) Int(name string) int {
	s := lookUp(name, number)
	return int(r.amount(s, func(v string) (int64, error) { return strconv.ParseInt(v, 10, 32) }))
}

// Bytes reads a size in bytes: kB and MB are powers of 1000, KiB and MiB of 1024. A unit is required, because "150"
// is more likely to mean megabytes than bytes.
func (r *Reader) Bytes(name string) int64 {
	return r.amount(lookUp(name, size), parseBytes)
}

// Duration reads a duration in Go's form, e.g. 90s or 1h30m.
func (r *Reader) Duration(name string) time.Duration {
	s := lookUp(name, duration)
	return time.Duration(r.amount(s, func(v string) (int64, error) {
		d, err := time.ParseDuration(v)
		return int64(d), err
	}))
}

// Bool reads true or false, in any case.
func (r *Reader) Bool(name string) bool {
	s := lookUp(name, boolean)
	v, _ := r.checked(s, strings.TrimSpace)
	switch strings.ToLower(v) {
	case "true":
		return true
	case "false", "":
	default:
		r.fail(s, "is neither true nor false")
	}
	return false
}

// Time reads a time in RFC 3339, or a date, which means 00:00 UTC. It returns the zero time if the setting is not
// set.
func (r *Reader) Time(name string) time.Time {
	s := lookUp(name, timestamp)
	v, ok := r.checked(s, strings.TrimSpace)
	if !ok {
		return time.Time{}
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, v); err == nil {
			if t.Year() < 2000 {
				r.fail(s, "lies before the year 2000")
				return time.Time{}
			}
			return t.UTC()
		}
	}
	r.fail(s, "is no time")
	return time.Time{}
}

// List reads a list whose parts are separated by commas, semicolons or blanks. It returns nil if the setting is not
// set.
func (r *Reader) List(name string) []string {
	s := lookUp(name, list)
	v, _ := r.raw(s, strings.TrimSpace)
	parts := strings.FieldsFunc(v, func(c rune) bool { return strings.ContainsRune(",; \t\r\n", c) })
	var all []string
	for i, part := range parts {
		normal, err := s.check(part)
		if err != nil {
			r.fail(s, fmt.Sprintf("part %d: %v", i+1, err))
			return nil
		}
		all = append(all, normal)
	}
	return all
}

// URL reads an address: https, or http for this machine; without user name, query and fragment. A slash at its end is
// removed. It returns nil if the setting is not set. The default of GRAPH_URL is the address for AZURE_CLOUD.
func (r *Reader) URL(name string) *url.URL {
	s := lookUp(name, address)
	v, ok := r.raw(s, strings.TrimSpace)
	if !ok && name == graphURL {
		v, _ = Cloud(r.String(azureCloud))
		ok = v != ""
	}
	if !ok {
		return nil
	}
	u, err := parseURL(v)
	if err == nil && s.checkURL != nil {
		err = s.checkURL(u)
	}
	if err != nil {
		r.fail(s, err.Error())
		return nil
	}
	return u
}

// amount reads a number within the limits of the table.
func (r *Reader) amount(s Setting, parse func(string) (int64, error)) int64 {
	v, ok := r.checked(s, strings.TrimSpace)
	if !ok {
		return 0
	}
	n, err := parse(v)
	switch {
	case errors.Is(err, errUnit):
		r.fail(s, err.Error())
	case err != nil && !errors.Is(err, strconv.ErrRange):
		r.fail(s, "can't be read")
	case err != nil, n < s.min, n > s.max:
		r.fail(s, "is out of its range")
	default:
		return n
	}
	return 0
}

// checked returns the value of raw after the setting's own check. ok is false if there is no value or an invalid one.
func (r *Reader) checked(s Setting, trim func(string) string) (v string, ok bool) {
	if v, ok = r.raw(s, trim); !ok || s.check == nil {
		return v, ok
	}
	normal, err := s.check(v)
	if err != nil {
		r.fail(s, err.Error())
		return "", false
	}
	return normal, true
}

// raw returns the value or the default. ok is false if there is neither.
func (r *Reader) raw(s Setting, trim func(string) string) (v string, ok bool) {
	v, _ = r.lookup(s.Name)
	v = trim(v)
	switch {
	case strings.HasPrefix(strings.ToLower(v), "@microsoft.keyvault("):
		// If the app may not read a secret, App Service passes the reference itself in its place.
		r.fail(s, "is a reference to Key Vault that the host could not resolve; "+
			"look at the secret's address and at the role of the app's identity")
		return "", false
	case v != "":
		return v, true
	case s.Required:
		r.fail(s, "is missing")
	}
	return s.Default, s.Default != ""
}

// fail records a mistake, once for each setting, however often it is read.
func (r *Reader) fail(s Setting, what string) {
	for _, p := range r.problems {
		if p.name == s.Name {
			return
		}
	}
	r.problems = append(r.problems, problem{s.Name,
		fmt.Sprintf("%s %s (form: %s; for example %s)", s.Name, what, s.Form, s.Example)})
}

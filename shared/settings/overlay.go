package settings

import (
	"errors"
	"fmt"
	"strings"
)

// maxChange is the maximum length in bytes of a changed value. The longest are the host keys of an SFTP server.
const maxChange = 16 << 10

// Overlay returns a lookup in which the changes that an administrator made take precedence over those of lookup. An
// empty change stands for the setting's default. A name that is not changeable is not taken from changes.
func Overlay(lookup func(string) (string, bool), changes map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := changes[name]; ok && isChangeable(name) {
			return v, true
		}
		return lookup(name)
	}
}

// CheckChanges returns every mistake in changes, in the form of Reader.Err: it holds no value, and no name that is not
// in the table. What only several settings together can have wrong is found when they are used.
func CheckChanges(changes map[string]string) error {
	r := Read(func(name string) (string, bool) { v, ok := changes[name]; return v, ok })
	known := 0
	for _, s := range allSettings() {
		v, ok := changes[s.Name]
		switch {
		case !ok || !s.Changeable:
			continue
		case len(v) > maxChange:
			r.fail(s, fmt.Sprintf("is longer than %d bytes", maxChange))
		default:
			r.read(s)
		}
		known++
	}
	var unknown error
	if n := len(changes) - known; n > 0 {
		unknown = fmt.Errorf("%d of the names are not those of settings that can be changed there; these can: %s", n,
			strings.Join(Changeable(), ", "))
	}
	return errors.Join(unknown, r.Err())
}

// Changeable returns the names of the settings that settings/connector.json may hold, in the order of the table.
func Changeable() (names []string) {
	for _, s := range allSettings() {
		if s.Changeable {
			names = append(names, s.Name)
		}
	}
	return names
}

func isChangeable(name string) bool {
	for _, s := range allSettings() {
		if s.Name == name {
			return s.Changeable
		}
	}
	return false
}

package settings

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"o2archiver/shared/record"
)

var (
	importKindForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 _-]{0,39}$`)
	headerNameForm = regexp.MustCompile(`^[!-9;-~]{1,100}$`) // RFC 5322 section 3.6.8
)

// checkImportKind accepts the kind of an import's messages and returns it as it is stored. Items of the kind SYSTEM are
// heartbeats of the vendor's and are never imported, so it is refused.
func checkImportKind(v string) (string, error) {
	switch kind := record.KnownKind(v); {
	case kind == record.System:
		return "", errors.New("is the kind of the heartbeats, which are never imported")
	case kind != "":
		return string(kind), nil
	case !importKindForm.MatchString(v):
		return "", errors.New("is no word for a kind")
	}
	return record.UpperASCII(v), nil
}

// checkImportNetwork accepts the name of a network.
func checkImportNetwork(v string) (string, error) {
	if !utf8.ValidString(v) || utf8.RuneCountInString(v) > 40 || strings.ContainsFunc(v, unicode.IsControl) {
		return "", errors.New("is no name of a network")
	}
	return v, nil
}

// checkHeaderName accepts the name of a header field, with or without the colon after it.
func checkHeaderName(v string) (string, error) {
	v = strings.TrimSuffix(v, ":")
	if !headerNameForm.MatchString(v) {
		return "", errors.New("is no name of a header field")
	}
	return v, nil
}

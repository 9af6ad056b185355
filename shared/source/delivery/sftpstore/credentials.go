package sftpstore

import (
	"errors"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

const maxRounds = 10 // of keyboard-interactive, most of them without a question

// authMethods returns the methods, in the order in which they are tried. tried is set when a server has asked for one.
//
// QUIRK: x/crypto tries each kind of method once, so all keys are in one; of two methods of the same kind the second
// would never be used. A server that demands a key and a password takes both from this list. One that only knows
// keyboard-interactive refuses the same password as a password.
func (s *Store) authMethods(tried *atomic.Bool) (all []ssh.AuthMethod) {
	if len(s.signers) > 0 {
		all = append(all, ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			tried.Store(true)
			return s.signers, nil
		}))
	}
	if password := revealSecret(s.password); password != "" {
		all = append(all, ssh.PasswordCallback(func() (string, error) {
			tried.Store(true)
			return password, nil
		}), ssh.KeyboardInteractive(answerOnce(password, tried)))
	}
	return all
}

// answerOnce returns the answer to a keyboard-interactive server: the password to exactly one question that is not
// echoed. A server that asks for more wants something that is not configured, such as a code, or has refused the
// password and asks again, which could lock the account.
func answerOnce(password string, tried *atomic.Bool) ssh.KeyboardInteractiveChallenge {
	rounds, answered := 0, false
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		tried.Store(true)
		rounds++
		switch {
		case rounds > maxRounds || len(questions) > 1:
			return nil, errors.New("too many questions")
		case len(questions) == 0:
			return nil, nil
		case answered || echos[0]:
			return nil, errors.New("a question that has no answer")
		}
		answered = true
		return []string{password}, nil
	}
}

// configured returns, in words, what the Store can show to a server.
func (s *Store) configured() string {
	var all []string
	if len(s.signers) > 0 {
		all = append(all, "a key")
	}
	if revealSecret(s.password) != "" {
		all = append(all, "a password, also for keyboard-interactive")
	}
	return strings.Join(all, " and ")
}

package deliverytest

import (
	"bytes"
	"errors"
	"slices"

	"golang.org/x/crypto/ssh"
)

var errRefused = errors.New("refused")

// serverConfig returns the configuration of one connection.
func (s *Server) serverConfig(l *link) *ssh.ServerConfig {
	config := &ssh.ServerConfig{MaxAuthTries: 6}
	for _, key := range s.o.HostKeys {
		config.AddHostKey(key)
	}
	allowed := func(method string) bool { return slices.Contains(s.o.Methods, method) }
	checkPassword := func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		s.countSignIn()
		if l.happen(SignIn, 0) != nil || c.User() != s.o.User || string(password) != s.password() {
			return nil, errRefused
		}
		return nil, nil
	}
	checkKey := func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		s.countSignIn()
		if l.happen(SignIn, 0) != nil || c.User() != s.o.User || s.o.Key == nil ||
			!bytes.Equal(key.Marshal(), s.o.Key.Marshal()) {
			return nil, errRefused
		}
		return nil, nil
	}
	if allowed("password") {
		config.PasswordCallback = checkPassword
	}
	if allowed("publickey") {
		config.PublicKeyCallback = checkKey
	}
	if allowed("publickey,password") {
		config.PublicKeyCallback = func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if _, err := checkKey(c, key); err != nil {
				return nil, err
			}
			return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{PasswordCallback: checkPassword}}
		}
	}
	if allowed("keyboard-interactive") {
		config.KeyboardInteractiveCallback = func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (
			*ssh.Permissions, error) {
			return nil, s.question(l, c, ask)
		}
	}
	return config
}

// SetPassword changes the user's password.
func (s *Server) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.o.Password = password
}

func (s *Server) password() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o.Password
}

// question asks the questions, round by round. The password has to be among the answers.
func (s *Server) question(l *link, c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) error {
	s.countSignIn()
	if l.happen(SignIn, 0) != nil {
		return errRefused
	}
	rounds := s.o.Questions
	if rounds == nil {
		rounds = [][]Question{{{Text: "Password: "}}, {}} // PAM ends with a round without a question
	}
	right := false
	for _, round := range rounds {
		var texts []string
		var echos []bool
		for _, q := range round {
			texts, echos = append(texts, q.Text), append(echos, q.Echo)
		}
		answers, err := ask("", "", texts, echos)
		if err != nil {
			return err
		}
		right = right || slices.Contains(answers, s.password())
	}
	if !right || c.User() != s.o.User {
		return errRefused
	}
	return nil
}

func (s *Server) countSignIn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.SignIns++
}

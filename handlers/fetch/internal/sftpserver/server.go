// Package sftpserver is the SFTP server as one run of fetch uses it: its password and its keys are read from the vault
// once, and once more if the server refuses them; what it refuses then is not tried again in the run, because each
// refusal may bring the account closer to being locked.
package sftpserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"o2archiver/handlers/fetch/internal/credentials"
	"o2archiver/shared/arrival"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/sftpstore"
)

// ErrSecret matches the error of a secret that cannot be read, or cannot be used. It wraps the *vault.Error, if the
// vault is the reason.
var ErrSecret = errors.New("the credentials for the SFTP server cannot be had")

// Secret is where a secret is kept: a *vault.Secret, or a setting.
type Secret interface {
	// Read returns the secret as it is now. It retries by itself.
	Read(ctx context.Context) (settings.Secret, error)
}

// Config is the server, and how to sign in to it. A Secret that is nil is none.
type Config struct {
	Host       string // host or host:port
	Username   string
	HostKeys   sftpstore.HostKeys
	Password   Secret
	Key        Secret
	Passphrase Secret
	Concurrent bool // sftpstore.Config.ConcurrentReads

	// Dial connects to an address; nil means a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Server is one server in one run. It is safe for concurrent use.
type Server struct {
	config Config

	mu      sync.Mutex
	read    bool // the secrets were read
	secrets credentials.Kept[secrets]
	refused error // what every further call returns; nil: the server is called
}

// secrets are the credentials at one moment.
type secrets struct{ password, key, passphrase settings.Secret }

func (s secrets) same(o secrets) bool {
	return s.password.Reveal() == o.password.Reveal() && s.key.Reveal() == o.key.Reveal() &&
		s.passphrase.Reveal() == o.passphrase.Reveal()
}

// New returns the server for one run. It makes no request.
func New(c Config) *Server {
	s := &Server{config: c}
	s.secrets.Read, s.secrets.Same = s.readSecrets, secrets.same
	return s
}

// Validate returns an error if the secrets cannot be used, such as a key in another form. It reads them, and does not
// connect.
func (s *Server) Validate(ctx context.Context) error {
	_, _, err := s.store(ctx, "", sftpstore.Options{})
	return err
}

// SignIn reads the secrets, unless this run has read them. Every call of a Folder does so by itself; it is called
// before, so that its error can be told apart. The error matches ErrSecret, or is ctx's cause.
func (s *Server) SignIn(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signIn(ctx)
}

func (s *Server) signIn(ctx context.Context) error {
	switch {
	case s.refused != nil:
		return s.refused
	case s.read:
		return nil
	}
	if err := s.secrets.Refresh(ctx); err != nil {
		if ctx.Err() == nil {
			s.refused = err // the vault was asked with retries: the next run asks it again
		}
		return err
	}
	s.read = true
	return nil
}

func (s *Server) readSecrets(ctx context.Context) (all secrets, err error) {
	for _, each := range []struct {
		from Secret
		to   *settings.Secret
	}{{s.config.Password, &all.password}, {s.config.Key, &all.key}, {s.config.Passphrase, &all.passphrase}} {
		if each.from == nil {
			continue
		}
		*each.to, err = each.from.Read(ctx)
		if ctx.Err() != nil {
			return secrets{}, context.Cause(ctx)
		}
		if err != nil {
			return secrets{}, fmt.Errorf("%w: %w", ErrSecret, err)
		}
	}
	return all, nil
}

// renew reads the secrets once more after the server refused those of a store, and reports whether others are to be
// tried. If not, no further call reaches the server.
func (s *Server) renew(ctx context.Context, tried secrets, refusal error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.refused != nil:
		return false
	case !s.secrets.Value().same(tried):
		return true // another Folder has renewed them
	}
	changed, err := s.secrets.Renew(ctx)
	if !changed && (err == nil || ctx.Err() == nil) {
		s.refused = refusal
	}
	return changed
}

// store returns a store for a folder with the secrets as they are now.
func (s *Server) store(ctx context.Context, folder string, o sftpstore.Options) (*sftpstore.Store, secrets, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.signIn(ctx); err != nil {
		return nil, secrets{}, err
	}
	o.Dial = s.config.Dial
	all := s.secrets.Value()
	store, err := sftpstore.New(sftpstore.Config{
		Host: s.config.Host, Username: s.config.Username, HostKeys: s.config.HostKeys, Folder: folder,
		Password: all.password, Key: all.key, KeyPassphrase: all.passphrase,
		ConcurrentReads: s.config.Concurrent,
	}, o)
	if err != nil {
		return nil, secrets{}, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	return store, all, nil
}

// HostKey connects once and returns the key that the server showed, with the error of the connection: see
// sftpstore.Store.Check.
func (s *Server) HostKey(ctx context.Context) (sftpstore.HostKey, error) {
	store, _, err := s.store(ctx, "", sftpstore.Options{})
	if err != nil {
		return sftpstore.HostKey{}, err
	}
	defer store.Close()
	return store.Check(ctx)
}

// Folder is one folder of the server, as package arrival describes it. It has a connection of its own.
type Folder struct {
	server  *Server
	name    string
	options sftpstore.Options

	mu     sync.Mutex
	inner  *sftpstore.Store // nil: none yet
	with   secrets          // that inner has
	listed bool             // inner has a listing
}

// Folder returns a folder; "" is the home folder. Dial of its options is the server's. It makes no request.
func (s *Server) Folder(name string, o sftpstore.Options) *Folder {
	return &Folder{server: s, name: name, options: o}
}

// List returns what is in the folder, as sftpstore.Store.List does.
func (f *Folder) List(ctx context.Context) (found arrival.Listing, err error) {
	err = f.do(ctx, func(store *sftpstore.Store) (err error) {
		found, err = store.List(ctx)
		f.listed = err == nil
		return err
	})
	return found, err
}

// Open opens a file of the last List at an offset, as sftpstore.Store.Open does. If the server asked for other secrets
// since then, it lists the folder once more.
func (f *Folder) Open(ctx context.Context, path string, offset int64) (file io.ReadCloser, err error) {
	err = f.do(ctx, func(store *sftpstore.Store) (err error) {
		if !f.listed {
			if _, err = store.List(ctx); err != nil {
				return err
			}
			f.listed = true
		}
		file, err = store.Open(ctx, path, offset)
		return err
	})
	return file, err
}

// do calls the server, and once more with other secrets if it refuses those that it was given.
func (f *Folder) do(ctx context.Context, call func(*sftpstore.Store) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if err := f.connect(ctx); err != nil {
			return err
		}
		err := call(f.inner)
		if !errors.Is(err, sftpstore.ErrCredentials) || !f.server.renew(ctx, f.with, err) {
			return err
		}
		f.close()
	}
}

// connect makes the store, unless there is one and the server is still to be called.
func (f *Folder) connect(ctx context.Context) error {
	if f.inner != nil {
		return f.server.SignIn(ctx)
	}
	store, with, err := f.server.store(ctx, f.name, f.options)
	if err != nil {
		return err
	}
	f.inner, f.with = store, with
	return nil
}

// Close closes the connection, if there is one.
func (f *Folder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.close()
}

func (f *Folder) close() {
	if f.inner != nil {
		_ = f.inner.Close() // it cannot fail
		f.inner, f.listed = nil, false
	}
}

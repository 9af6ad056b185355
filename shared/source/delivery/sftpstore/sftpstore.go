// Package sftpstore reads deliveries from a folder of an SFTP server: it lists the folder and opens files of it, as
// package arrival describes, and changes nothing there.
//
// The server is not trusted. Its host key is pinned: there is no trust on first use. A server that falls silent in any
// phase, drips, never ends a listing or lies about a size is left after a limit, with memory bounded. Errors are plain
// words; they hold no path, user name, key, or text of the server.
//
// Nothing in SFTP says that a file is whole. The caller opens a file that arrival.IsComplete, reads it to its end and
// checks the content.
//
// No other package imports the libraries of SSH and SFTP. Only fetch links this package, and portal, which tests an
// administrator's entries.
package sftpstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"o2archiver/shared/arrival"
	"o2archiver/shared/lock"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery"
)

const (
	defaultPort     = "22"
	defaultMaxNames = 100_000

	// Limits of time. A server that exceeds one counts as unavailable.
	dialTime      = 30 * time.Second
	handshakeTime = time.Minute      // from the TCP connection until SFTP has started
	quietTime     = 2 * time.Minute  // without a byte, or for one answer
	listTime      = 10 * time.Minute // for a whole listing
	keepAlive     = time.Minute      // between two requests that ask for nothing but an answer

	// maxSilent is the number of sign-ins without an answer that count as refused. Each of them may have been refused,
	// and a further one may lock the account.
	maxSilent = 2
)

// Secret is a text that is revealed where it is sent only.
type Secret interface{ Reveal() string }

// Config is the server, and how to sign in to it.
type Config struct {
	Host          string // host or host:port
	Username      string
	Password      Secret // for password and keyboard-interactive; nil or empty: none
	Key           Secret // private keys, OpenSSH or PEM; nil or empty: none
	KeyPassphrase Secret
	HostKeys      HostKeys // the pinned ones; without any, only Check connects
	Folder        string   // "": the home folder

	// ConcurrentReads lets several requests for parts of a file be under way at the same time, which is faster on a
	// long line. A server that hands a file out piece by piece, in order and once, refuses that or loses the file.
	ConcurrentReads bool
}

// Options are the parts of a Store that have defaults.
type Options struct {
	// Dial connects to an address; nil means a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Accept chooses the files to list by their names; nil means delivery.IsDelivery.
	Accept func(name string) bool
	// Optional is set if the folder may be missing, which is the same as an empty one then. The folder in which it
	// would be MUST be there.
	Optional bool
	// MaxNames is the maximum number of names in the folder, with those that are not accepted; 0 means 100,000.
	MaxNames int
}

// Store is one folder of one server, with at most one connection that its calls share. It is safe for concurrent use.
type Store struct {
	address  string
	username string
	password Secret
	signers  []ssh.Signer
	hostKeys HostKeys
	folder   string
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	accept   func(name string) bool
	optional bool
	maxNames int
	policy   retry.Policy

	concurrent bool
	window     int // bytes that one Read asks for at most

	mu     lock.Mutex
	conn   *connection             // nil, or the last one
	silent int                     // sign-ins without an answer since the last one with one
	listed map[string]arrival.File // by path: what the last List returned
}

// New returns a Store for a configuration. It does not connect.
func New(c Config, o Options) (*Store, error) {
	address, err := parseAddress(c.Host)
	if err != nil {
		return nil, err
	}
	s := &Store{
		address: address, username: c.Username, password: c.Password, hostKeys: c.HostKeys, dial: o.Dial,
		accept: o.Accept, optional: o.Optional, maxNames: cmp.Or(o.MaxNames, defaultMaxNames), mu: lock.New(),
		policy: retry.Policy{First: time.Second, Max: time.Minute, Tries: 8},
	}
	s.window = readSize
	if c.ConcurrentReads {
		s.concurrent, s.window = true, concurrentReads*readSize
	}
	if s.username == "" {
		return nil, errors.New("the SFTP server's user name is missing")
	}
	if s.signers, err = parseKeys(revealSecret(c.Key), revealSecret(c.KeyPassphrase)); err != nil {
		return nil, err
	}
	if len(s.signers) == 0 && revealSecret(c.Password) == "" {
		return nil, errors.New("neither a private key nor a password for the SFTP server is given")
	}
	if s.folder = path.Clean(cmp.Or(c.Folder, ".")); strings.ContainsRune(s.folder, 0) {
		return nil, errors.New("the SFTP server's folder cannot be the name of a folder")
	}
	if s.dial == nil {
		s.dial = (&net.Dialer{}).DialContext
	}
	if s.accept == nil {
		s.accept = delivery.IsDelivery
	}
	return s, nil
}

func revealSecret(s Secret) string {
	if s == nil {
		return ""
	}
	return s.Reveal()
}

// parseAddress returns host:port for a host with or without a port.
func parseAddress(host string) (string, error) {
	wrong := errors.New("the SFTP server is not of the form host or host:port")
	if host == "" || strings.ContainsFunc(host, func(c rune) bool {
		return c <= ' ' || c == 0x7f || strings.ContainsRune(`/\@?#,`, c)
	}) {
		return "", wrong
	}
	name, port := host, defaultPort
	if bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"); net.ParseIP(bare) != nil {
		name = bare
	} else if strings.Contains(host, ":") {
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil || name == "" {
			return "", wrong
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", wrong
	}
	return net.JoinHostPort(name, port), nil
}

// Close closes the connection, if there is one. The Store can still be used.
func (s *Store) Close() error {
	_ = s.mu.Lock(context.Background())
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.abort(errClosed)
	}
	s.conn = nil
	return nil
}

// connection returns the connection, a new one if there is none that can be used.
func (s *Store) connection(ctx context.Context) (*connection, error) {
	if err := s.mu.Lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if s.conn != nil && !s.conn.isClosed() {
		return s.conn, nil
	}
	c, err := s.connect(ctx, s.hostKeys)
	if errors.Is(err, errSignIn) {
		if s.silent++; s.silent >= maxSilent {
			return nil, fmt.Errorf("%w: it did not answer %d sign-ins with %s", ErrCredentials, s.silent,
				s.configured())
		}
	}
	if err != nil {
		return nil, err
	}
	s.conn, s.silent = c, 0
	return c, nil
}

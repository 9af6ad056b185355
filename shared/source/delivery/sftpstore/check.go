package sftpstore

import (
	"context"
	"errors"

	"golang.org/x/crypto/ssh"
)

// hostKeysToShow returns the algorithms of which a server shows a key to Check, in the order of preference: that of the
// key which administrators compare first.
func hostKeysToShow() (all []string) {
	for _, kind := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSA} {
		all = append(all, hostKeyAlgorithms(kind)...)
	}
	return all
}

// Check connects once and signs in. It returns the server's host key also if that is not pinned (ErrHostKey), so that
// an administrator can compare its fingerprint with what the server's operator states. To a server without a pinned key
// no user name, key or password is sent. The HostKey is zero if the connection ended before the server showed one.
func (s *Store) Check(ctx context.Context) (HostKey, error) {
	h := &handshake{}
	var err error
	if s.hostKeys.Len() > 0 {
		var c *connection
		if c, err = s.connectWith(ctx, h, s.hostKeys, s.hostKeys.algorithms()); err == nil {
			c.abort(errClosed)
			return h.hostKey(), nil
		}
		if !errors.Is(err, ErrHostKey) || h.state() != keyUnseen {
			return h.hostKey(), err
		}
	} else {
		err = errNoPin
	}
	// The server has no key of a pinned type, so a second connection asks for any. It cannot succeed: no key is pinned.
	_, other := s.connectWith(ctx, h, HostKeys{}, hostKeysToShow())
	if !errors.Is(other, ErrHostKey) {
		return h.hostKey(), other
	}
	return h.hostKey(), err
}

package sftpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"o2archiver/shared/retry"
)

// The errors that a caller distinguishes, besides those of package arrival. Only ErrUnavailable is transient.
var (
	// ErrHostKey means that the server did not prove to have a pinned key. Nothing was sent that it could use.
	ErrHostKey = errors.New("the SFTP server's host key is not pinned")
	// ErrCredentials means that the server refuses the key, the password or both. It is never tried again at once,
	// because further tries may lock the account.
	ErrCredentials = errors.New("the SFTP server refuses the credentials")
	// ErrDenied means that the user may not do this.
	ErrDenied = errors.New("the SFTP server denies access")
	// ErrNotFound means that there is no such folder, or no such file any more.
	ErrNotFound = errors.New("the SFTP server has no such file or folder")
	// ErrProtocol means that the server does what SFTP, or a limit of this package, does not allow. It would do so
	// again.
	ErrProtocol = errors.New("the SFTP server's answer cannot be used")
	// ErrUnavailable means that the server cannot be reached, falls silent or reports a failure.
	ErrUnavailable = retry.NewTransient("the SFTP server is not available")
)

var (
	errClosed    = fmt.Errorf("%w: the connection was closed", ErrUnavailable)
	errBroken    = fmt.Errorf("%w: the connection broke off", ErrUnavailable)
	errSilent    = fmt.Errorf("%w: nothing came for 2 minutes", ErrUnavailable)
	errSlow      = fmt.Errorf("%w: the listing took longer than 10 minutes", ErrUnavailable)
	errHandshake = fmt.Errorf("%w: the connection was not ready within a minute", ErrUnavailable)
	errSignIn    = fmt.Errorf("%w: it did not answer the sign-in within a minute", ErrUnavailable)
	errPacket    = fmt.Errorf("%w: a packet is larger than 256 KiB", ErrProtocol)
	errNotSSH    = fmt.Errorf("%w: what answers does not keep to SSH", ErrUnavailable)
	errNoPin     = fmt.Errorf("%w: none is, so the server cannot be recognized", ErrHostKey)
	errPinType   = fmt.Errorf("%w: the server has none of the pinned types", ErrHostKey)
	errOtherKey  = fmt.Errorf("%w: the server has another one of the same type", ErrHostKey)
)

// describeDial returns the error of a TCP connection that was not made. Its own text contains the address.
func describeDial(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	how := "no connection"
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		how = "its name has no address"
	case errors.Is(err, syscall.ECONNREFUSED):
		how = "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		how = "no connection within 30 seconds"
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, how)
}

// translate returns the error of an operation in this package's words. io.EOF is returned as it is.
func (c *connection) translate(ctx context.Context, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if status, ok := errors.AsType[*sftp.StatusError](err); ok {
		return translateStatus(status.Code)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		return ErrDenied
	case c.reason() != nil:
		return c.reason()
	case c.wire.peerGone(), errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return errBroken // of a request that could not be sent, too
	}
	return ErrProtocol
}

// Codes of a status in draft-ietf-secsh-filexfer-13 section 9.1. A server that speaks version 3 SHOULD send those up to
// 8 only, and some send others.
const (
	codeNoFile         = 2
	codeDenied         = 3
	codeBadMessage     = 5
	codeUnsupported    = 8
	codeNoPath         = 10
	codeFileExists     = 11
	codeWriteProtect   = 12
	codeUnknownUser    = 16
	codeNotEmpty       = 18
	codeNoFolder       = 19
	codeBadName        = 20
	codeLinkLoop       = 21
	codeCannotDelete   = 22
	codeBadParameter   = 23
	codeIsFolder       = 24
	codeDeletePending  = 27
	codeFileCorrupt    = 28
	codeOwnerInvalid   = 29
	codeGroupInvalid   = 30
	codeNoMatchingLock = 31
)

// translateStatus returns the error of a status that says what went wrong. One that this package does not know, or that
// may pass (a failure, a lost handle, a lock, a medium or space that is missing), means that the server is unavailable.
func translateStatus(code uint32) error {
	switch code {
	case codeNoFile, codeNoPath, codeNoFolder, codeLinkLoop, codeIsFolder, codeDeletePending:
		return ErrNotFound // OpenSSH too sends code 2 for a path through what is no folder, or through a loop
	case codeDenied, codeWriteProtect, codeUnknownUser, codeCannotDelete, codeOwnerInvalid, codeGroupInvalid:
		return ErrDenied
	case codeBadMessage, codeUnsupported, codeFileExists, codeNotEmpty, codeBadName, codeBadParameter,
		codeNoMatchingLock:
		return fmt.Errorf("%w: it refuses the request (code %d)", ErrProtocol, code)
	case codeFileCorrupt:
		return fmt.Errorf("%w: it calls the file damaged (code %d)", ErrProtocol, code)
	}
	return fmt.Errorf("%w: it reports a failure (code %d)", ErrUnavailable, code)
}

// connectError returns why a connection was not made, in this package's words.
func (s *Store) connectError(ctx context.Context, c *connection, err error, h *handshake) error {
	negotiation, disagreed := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.reason() == errHandshake && h.tried.Load():
		return errSignIn
	case c.reason() != nil:
		return c.reason()
	case h.state() == keyRefused && s.hostKeys.Len() == 0:
		return errNoPin
	case h.state() == keyRefused:
		return errOtherKey
	case disagreed && negotiation.What == "host key":
		return errPinType
	case disagreed:
		return fmt.Errorf("%w: no common algorithm for %s", ErrProtocol, negotiation.What)
	case c.wire.peerGone() && h.tried.Load():
		// It may be a server's way to refuse, and a further try may lock the account.
		return fmt.Errorf("%w: it closed the connection during the sign-in with %s", ErrCredentials, s.configured())
	case c.wire.peerGone():
		return errBroken
	case h.state() == keyAccepted && !h.tried.Load() && !strings.Contains(err.Error(), "unable to authenticate"):
		return errBroken // it ended the connection before it was offered anything, as a busy server does
	case h.state() == keyAccepted:
		return fmt.Errorf("%w: it was offered %s", ErrCredentials, s.configured())
	}
	return errNotSSH
}

// sessionError returns why an SFTP session did not start, in this package's words.
func (c *connection) sessionError(ctx context.Context, err error) error {
	refused, isRefusal := errors.AsType[*ssh.OpenChannelError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.reason() != nil:
		return c.reason()
	case c.wire.peerGone():
		return errBroken
	case isRefusal && refused.Reason == ssh.ResourceShortage:
		return fmt.Errorf("%w: it has no session left", ErrUnavailable)
	}
	return fmt.Errorf("%w: it does not start an SFTP session", ErrDenied)
}

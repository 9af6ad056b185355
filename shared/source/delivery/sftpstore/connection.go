package sftpstore

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// connection is one SSH connection with one SFTP session.
//
// QUIRK: neither x/crypto nor pkg/sftp gives up on a server that is silent: ClientConfig.Timeout is that of the TCP
// connection, and reads, listings and requests wait for ever. But closing the TCP connection ends each of them. So
// every limit of time, and the end of a context, closes it, and the first reason to do so is the error of what was
// under way.
type connection struct {
	wire   *wire
	client *sftp.Client
	stream *stream

	mu     sync.Mutex
	why    error         // the reason of abort
	closed chan struct{} // closed by abort
}

// abort closes the connection. The reason of the first call is the error of the operations that it ends.
func (c *connection) abort(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return
	}
	c.why = why
	close(c.closed)
	c.wire.Close()
}

func (c *connection) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

func (c *connection) isClosed() bool { return c.reason() != nil }

// hostKeyState is how far a handshake came with the server's key.
type hostKeyState int

const (
	keyUnseen hostKeyState = iota
	keyRefused
	keyAccepted
)

// handshake is what was seen of a server before the connection was ready.
type handshake struct {
	tried atomic.Bool // credentials were sent, or about to be

	mu  sync.Mutex
	key HostKey
	how hostKeyState
}

func (h *handshake) saw(key ssh.PublicKey, how hostKeyState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.key, h.how = describeKey(key), how
}

func (h *handshake) state() hostKeyState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.how
}

func (h *handshake) hostKey() HostKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.key
}

// connect makes a connection to a server that has one of the keys.
func (s *Store) connect(ctx context.Context, keys HostKeys) (*connection, error) {
	if keys.Len() == 0 {
		return nil, errNoPin
	}
	return s.connectWith(ctx, &handshake{}, keys, keys.algorithms())
}

// connectWith makes a connection whose host key has one of the algorithms, and is one of the keys. What is seen of the
// server is in h, whether it succeeds or not.
func (s *Store) connectWith(ctx context.Context, h *handshake, keys HostKeys, algorithms []string) (
	*connection, error) {
	dialCtx, cancel := context.WithTimeout(ctx, dialTime)
	tcp, err := s.dial(dialCtx, "tcp", s.address)
	cancel()
	if err != nil {
		return nil, describeDial(ctx, err)
	}
	c := &connection{closed: make(chan struct{})}
	c.wire = newWire(tcp, func() { c.abort(errSilent) })
	stop := context.AfterFunc(ctx, func() { c.abort(errClosed) })
	defer stop()
	timer := time.AfterFunc(handshakeTime, func() { c.abort(errHandshake) })
	defer timer.Stop()
	conn, channels, requests, err := ssh.NewClientConn(c.wire, s.address, &ssh.ClientConfig{
		User: s.username, Auth: s.authMethods(&h.tried), HostKeyAlgorithms: algorithms, HostKeyCallback: keys.check(h),
	})
	if err == nil {
		if err = c.startSFTP(ssh.NewClient(conn, channels, requests), s.maxNames, s.concurrent); err != nil {
			err = c.sessionError(ctx, err)
		}
	} else {
		err = s.connectError(ctx, c, err, h)
	}
	if err != nil {
		c.abort(err)
		return nil, err
	}
	go c.keepAlive(conn)
	return c, nil
}

// startSFTP starts the SFTP session.
func (c *connection) startSFTP(client *ssh.Client, maxNames int, concurrent bool) error {
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return err
	}
	notes, err := session.StderrPipe()
	if err != nil {
		return err
	}
	if err := session.RequestSubsystem("sftp"); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(io.Discard, notes) }() // or the server waits until they are read
	c.stream = &stream{from: out, maxNames: maxNames, exceeded: c.abort}
	// There are servers on which a file is a message of a queue that can be opened once, and be read from its beginning
	// to its end: they refuse concurrent reads, or delete the message.
	c.client, err = sftp.NewClientPipe(c.stream, in, sftp.UseConcurrentReads(concurrent),
		sftp.MaxConcurrentRequestsPerFile(concurrentReads))
	return err
}

// keepAlive asks for an answer once a minute, whatever it says. If none comes, the wire falls silent.
func (c *connection) keepAlive(conn ssh.Conn) {
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-ticker.C:
			if _, _, err := conn.SendRequest("keepalive@openssh.com", true, nil); err != nil {
				c.abort(errBroken)
				return
			}
		}
	}
}

// run runs an operation that ends within a limit: it closes the connection when the limit is reached, or the context
// ends. The error is in this package's words, but io.EOF.
func (c *connection) run(ctx context.Context, limit time.Duration, late error, op func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { c.abort(errClosed) })
	defer stop()
	timer := time.AfterFunc(limit, func() { c.abort(late) })
	defer timer.Stop()
	return c.translate(ctx, op())
}

// wire is the TCP connection. It calls silent when no byte came for quietTime.
type wire struct {
	net.Conn
	timer *time.Timer

	mu     sync.Mutex
	closed bool // by this side
	gone   bool // by the other side, or the network
}

func newWire(conn net.Conn, silent func()) *wire {
	return &wire{Conn: conn, timer: time.AfterFunc(quietTime, silent)}
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > 0 && !w.closed {
		w.timer.Reset(quietTime)
	}
	if err != nil && !w.closed {
		w.gone = true
	}
	return n, err
}

func (w *wire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.timer.Stop()
	w.mu.Unlock()
	return w.Conn.Close()
}

func (w *wire) peerGone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

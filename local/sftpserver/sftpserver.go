// Package sftpserver runs a real SFTP server on this machine for the local run, and uploads files as the vendor does.
//
// The server is OpenSSH's sshd where an ordinary user can run it; else an SSH server in Go that runs OpenSSH's
// sftp-server; else one in Go alone. Its keys are made for the run. They are in a temporary folder until it ends.
package sftpserver

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"o2archiver/shared/source/delivery/deliverytest"
)

// Options holds what is served.
type Options struct {
	Dir string    // the folder that is served
	Log io.Writer // output of the server's programs, one line per Write; nil: it is discarded
	// Lookup returns environment variables: SSHD and SFTP_SERVER say where these programs are, if not in a usual
	// place. nil: there are none.
	Lookup func(name string) (string, bool)
}

// Server is a running server. Only the account that it names may sign in, with a key.
type Server struct {
	Account
	Program string // what is running, in words

	dir      string // the server's own files
	log      io.Writer
	listener net.Listener
	home     string

	mu      sync.Mutex
	serve   func(net.Conn)
	stop    func()
	last    string // line of a program's output
	running sync.WaitGroup
}

// candidate is a program that may be able to serve on this machine.
type candidate struct {
	program string
	folder  string // to be named by the client; "": the home folder is the one that is served
	start   func(s *Server) (serve func(net.Conn), stop func(), err error)
}

const trialTime = 15 * time.Second // of a candidate

// Start starts the first server that can be signed in to. progress receives a line for each that cannot.
func Start(ctx context.Context, o Options, progress io.Writer) (_ *Server, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Lookup == nil {
		o.Lookup = func(string) (string, bool) { return "", false }
	}
	s := &Server{log: o.Log, Program: "none", stop: func() {}}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if s.home, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if err := s.makeAccount(); err != nil {
		return nil, fmt.Errorf("make the keys of the SFTP server: %w", err)
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.Address = s.listener.Addr().String()
	s.running.Go(s.accept)
	for _, c := range s.candidates(o) {
		if err = s.try(ctx, c); err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		fmt.Fprintf(progress, "SFTP server: %s can't be used here: %v\n", c.program, err)
	}
	return nil, fmt.Errorf("start an SFTP server: %w", err)
}

// Stop ends the server and its connections, and deletes its keys. It may be called twice.
func (s *Server) Stop() {
	if s.listener != nil {
		_ = s.listener.Close() // an error means that it is closed already
	}
	s.replace(nil, func() {})
	s.running.Wait()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // what could not be deleted is in the temporary folder of the system
	}
}

// replace makes serve serve the next connections, and ends what served before.
func (s *Server) replace(serve func(net.Conn), stop func()) {
	s.mu.Lock()
	before := s.stop
	s.serve, s.stop = serve, stop
	s.mu.Unlock()
	before()
}

// accept serves connections until the listener is closed.
func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		serve := s.serve
		s.mu.Unlock()
		if serve == nil {
			_ = conn.Close()
			continue
		}
		s.running.Go(func() { serve(conn) })
	}
}

// try makes a candidate serve, and signs in to it.
func (s *Server) try(ctx context.Context, c candidate) error {
	serve, stop, err := c.start(s)
	if err != nil {
		return err
	}
	s.replace(serve, stop)
	s.Program, s.Folder = c.program, c.folder
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	if _, err := List(ctx, s.Account); err != nil {
		s.replace(nil, func() {})
		if last := s.lastLine(); last != "" {
			err = fmt.Errorf("%w (it said: %s)", err, last)
		}
		return err
	}
	return nil
}

func (s *Server) lastLine() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// makeAccount makes the keys, and the files in which sshd reads them.
func (s *Server) makeAccount() error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	s.Username = me.Username
	if s.dir, err = os.MkdirTemp("", "o2archiver-sftp-"); err != nil { // for this user alone
		return err
	}
	host, hostKey, err := newKey()
	if err != nil {
		return err
	}
	mine, key, err := newKey()
	if err != nil {
		return err
	}
	s.Key = key
	s.HostKeys = pinOf(host)
	for name, text := range map[string]string{hostFile: hostKey,
		authorizedFile: string(ssh.MarshalAuthorizedKey(mine))} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// The server's own files, in its temporary folder.
const (
	hostFile       = "host"
	authorizedFile = "authorized"
	configFile     = "sshd_config"
)

// newKey returns a new key, public and as OpenSSH writes a private one.
func newKey() (ssh.PublicKey, string, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, "", err
	}
	return signer.PublicKey(), string(pem.EncodeToMemory(block)), nil
}

// candidates returns the servers in the order in which they are tried.
func (s *Server) candidates(o Options) (all []candidate) {
	sshd := findProgram(o.Lookup, "SSHD", "/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd")
	if sshd != "" {
		all = append(all, candidate{"OpenSSH's sshd (" + sshd + ")", filepath.ToSlash(s.home),
			func(s *Server) (func(net.Conn), func(), error) { return s.startSSHD(sshd) }})
	}
	subsystem := findProgram(o.Lookup, "SFTP_SERVER", "/usr/lib/openssh/sftp-server",
		"/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server", "/usr/lib/ssh/sftp-server")
	if subsystem != "" {
		all = append(all, candidate{"OpenSSH's sftp-server (" + subsystem + ") behind an SSH server in Go", "",
			func(s *Server) (func(net.Conn), func(), error) { return s.startGo(s.programOf(subsystem)) }})
	}
	return append(all, candidate{"an SFTP server in Go", "",
		func(s *Server) (func(net.Conn), func(), error) { return s.startGo(serveFolder(s.home)) }})
}

// findProgram returns the path of a program, or "".
func findProgram(lookup func(string) (string, bool), variable string, usual ...string) string {
	if name, ok := lookup(variable); ok && name != "" {
		usual = []string{name}
	}
	i := slices.IndexFunc(usual, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.Mode().IsRegular() && filepath.IsAbs(name)
	})
	if i < 0 {
		return ""
	}
	return usual[i]
}

// startGo starts the SSH server in Go, with a program that serves SFTP.
func (s *Server) startGo(program func(io.ReadWriteCloser)) (serve func(net.Conn), stop func(), err error) {
	host, err := s.signer(hostFile)
	if err != nil {
		return nil, nil, err
	}
	mine, err := ssh.ParsePrivateKey([]byte(s.Key))
	if err != nil {
		return nil, nil, err
	}
	server := deliverytest.New(deliverytest.Options{HostKeys: []ssh.Signer{host}, User: s.Username,
		Key: mine.PublicKey(), Methods: []string{"publickey"}, Program: program})
	return func(c net.Conn) { server.Serve(&single{conn: c}) }, server.Close, nil
}

func (s *Server) signer(name string) (ssh.Signer, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(text)
}

// single is a listener that has one connection.
type single struct {
	conn net.Conn
	once sync.Once
}

func (l *single) Accept() (conn net.Conn, err error) {
	err = io.EOF
	l.once.Do(func() { conn, err = l.conn, nil })
	return conn, err
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }

// lineWriter writes a program's output to the log in whole lines.
type lineWriter struct {
	s    *Server
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		w.s.last = string(bytes.TrimSpace(line))
		fmt.Fprintln(w.s.log, w.s.last)
	}
}

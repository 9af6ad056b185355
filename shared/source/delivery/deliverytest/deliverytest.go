// Package deliverytest is an SFTP server for tests and for the local run. It can misbehave: it falls silent or breaks
// off in any phase, lies about sizes, lets a file be read once, fails half way through a listing, or demands any
// combination of ways to sign in.
//
// A Server's Dial connects in memory, without a socket, so it works in a bubble of testing/synctest. Serve accepts TCP
// connections.
package deliverytest

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// Phase is a point at which a Fault can happen.
type Phase int

// The phases, in their order.
const (
	Accept    Phase = iota // the TCP connection is there; the server has sent nothing
	SignIn                 // the client has sent credentials
	Subsystem              // the client has asked for SFTP
	Opendir                // the client lists the folder
	Readdir                // After names of the listing were sent
	Open                   // the client opens a file
	Read                   // the client reads a file, at the offset After or beyond it
	Close                  // the client closes a file or a listing, or the session ends with it open
)

// Kind is what happens.
type Kind int

// The kinds of faults.
const (
	Stall  Kind = iota // nothing is sent any more for this request; the connection is kept, and otherwise answered
	Freeze             // nothing is sent any more at all
	Cut                // the connection is closed
	Refuse             // an error is answered
)

// Fault is one misbehaviour.
type Fault struct {
	Phase Phase
	Kind  Kind
	After int64
	Skip  int // how often it does not happen before
	Times int // how often; 0 means once
}

// File is one file of the folder.
type File struct {
	Data     []byte
	ModTime  time.Time
	Size     int64         // in a listing; 0 means that of Data
	Mode     fs.FileMode   // its type; 0 means a regular file
	Denied   bool          // it cannot be opened, or a folder not be listed
	ReadOnce bool          // it can be opened once, and not be asked for its size while it is open
	Slow     time.Duration // before each answer with bytes
	Together int           // no read is answered before that many were under way at the same time
}

// Question is one question of keyboard-interactive.
type Question struct {
	Text string
	Echo bool
}

// Options configure a Server.
type Options struct {
	HostKeys []ssh.Signer // none: a new Ed25519 key
	User     string
	Password string
	Key      ssh.PublicKey // of the user
	// Methods are what the server demands: "password", "publickey", "keyboard-interactive", any one of them, or
	// "publickey,password", both.
	Methods   []string
	Questions [][]Question // of keyboard-interactive, round by round; none: one question without echo
	Folder    string       // of the files; "": the home folder
	// Program, if not nil, is the SFTP server in place of this package's own, such as one that runs OpenSSH's.
	Program func(io.ReadWriteCloser)
}

// Counts are what a Server has seen.
type Counts struct {
	Connections, SignIns, Lists, Opens, Stats int
	Concurrent                                int // maximum number of reads at the same time
}

// Server is one server.
type Server struct {
	o    Options
	done chan struct{}

	mu     sync.Mutex
	files  map[string]File
	order  []string // of a listing; a name may be twice
	faults []*Fault
	calls  map[Phase]int
	hits   int
	counts Counts
	reads  int
	more   chan struct{} // closed and replaced when more reads are under way than ever; nil: not waited for
	conns  []net.Conn
}

// New returns a server. The caller closes it.
func New(o Options) *Server {
	if len(o.HostKeys) == 0 {
		o.HostKeys = []ssh.Signer{NewKey("ed25519")}
	}
	return &Server{o: o, done: make(chan struct{}), files: map[string]File{}, calls: map[Phase]int{}}
}

// Key is a private key of a server.
type Key = ssh.Signer

// PinOf returns the public half of a key as a setting pins it: the algorithm and base64.
func PinOf(k Key) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.PublicKey()))) }

// NewKey returns a new key: ed25519, ecdsa or rsa.
func NewKey(kind string) ssh.Signer {
	var key any
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = errors.New("there is no such kind of keys")
	}
	if err != nil {
		panic(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	return signer
}

// NewUserKey returns a new private key in OpenSSH's form, and its public half for Options.
func NewUserKey() (private string, public ssh.PublicKey) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		panic(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(block)), signer.PublicKey()
}

// Put adds a file to the folder, or replaces it. The name imports/a.zip is that of a file in a folder in the folder.
func (s *Server) Put(name string, f File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.files[name]; !there {
		s.order = append(s.order, name)
	}
	s.files[name] = f
}

// Remove removes a file.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	s.order = slices.DeleteFunc(s.order, func(n string) bool { return n == name })
}

// ListTwice makes listings have a name twice.
func (s *Server) ListTwice(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = append(s.order, name)
}

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Counts returns what the server has seen.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Calls returns how often each phase was reached. A Fault with Skip n-1 happens at the n-th time, if After is 0 and no
// other fault is added.
func (s *Server) Calls() map[Phase]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Hits returns how many faults have happened.
func (s *Server) Hits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

// CutAll closes all connections.
func (s *Server) CutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// Close closes all connections, and ends what stalls.
func (s *Server) Close() {
	s.CutAll()
	close(s.done)
}

// Dial connects in memory. It has the form of a net.Dialer's DialContext.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := memoryPipe()
	go s.serve(server)
	return client, nil
}

// Serve accepts connections until the listener is closed.
func (s *Server) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// link is one connection.
type link struct {
	net.Conn
	s      *Server
	frozen chan struct{} // closed by freeze
	once   sync.Once
}

// Write sends nothing once the link is frozen.
func (l *link) Write(p []byte) (int, error) {
	select {
	case <-l.frozen:
		return len(p), nil
	default:
		return l.Conn.Write(p)
	}
}

// happen makes what is due in a phase happen. It returns an error if the request is to be refused.
func (l *link) happen(phase Phase, at int64) error {
	s := l.s
	s.mu.Lock()
	s.calls[phase]++
	var due *Fault
	for _, f := range s.faults {
		if f.Phase == phase && f.Times > 0 && at >= f.After {
			if f.Skip > 0 {
				f.Skip--
				continue
			}
			f.Times--
			s.hits++
			due = f
			break
		}
	}
	s.mu.Unlock()
	if due == nil {
		return nil
	}
	switch due.Kind {
	case Freeze:
		l.once.Do(func() { close(l.frozen) })
		<-s.done
	case Stall:
		<-s.done
	case Cut:
		l.Close()
	}
	return sftp.ErrSSHFxFailure
}

func (s *Server) serve(conn net.Conn) {
	l := &link{Conn: conn, s: s, frozen: make(chan struct{})}
	defer l.Close()
	s.mu.Lock()
	s.counts.Connections++
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	if l.happen(Accept, 0) != nil {
		return
	}
	_, channels, requests, err := ssh.NewServerConn(l, s.serverConfig(l))
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests) // answers what keeps the connection alive
	for channel := range channels {
		if channel.ChannelType() != "session" {
			_ = channel.Reject(ssh.UnknownChannelType, "")
			continue
		}
		accepted, asked, err := channel.Accept()
		if err != nil {
			return
		}
		go l.serveSession(accepted, asked)
	}
}

// serveSession answers the requests of a session, of which only that for SFTP is accepted.
func (l *link) serveSession(channel ssh.Channel, asked <-chan *ssh.Request) {
	for r := range asked {
		var payload struct{ Name string }
		if r.Type != "subsystem" || ssh.Unmarshal(r.Payload, &payload) != nil || payload.Name != "sftp" ||
			l.happen(Subsystem, 0) != nil {
			_ = r.Reply(false, nil)
			continue
		}
		_ = r.Reply(true, nil)
		go func() {
			defer channel.Close()
			if l.s.o.Program != nil {
				l.s.o.Program(channel)
				return
			}
			h := &handlers{l}
			server := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
			_ = server.Serve()
			_ = server.Close()
		}()
	}
}

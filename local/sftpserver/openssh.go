package sftpserver

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
)

// startSSHD makes OpenSSH's sshd serve, one process for each connection: with -i it takes over a connection, as inetd
// starts it. So there is no daemon that could outlive this process.
//
// Its user is this one, and it reads no password: it needs no rights of root. For root it needs an account sshd and the
// folder /run/sshd, which installing its package makes.
func (s *Server) startSSHD(program string) (serve func(net.Conn), stop func(), err error) {
	config := filepath.Join(s.dir, configFile)
	err = os.WriteFile(config, []byte(strings.Join([]string{
		"HostKey " + quotePath(filepath.Join(s.dir, hostFile)),
		"AuthorizedKeysFile " + quotePath(filepath.Join(s.dir, authorizedFile)),
		"AuthenticationMethods publickey", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin prohibit-password", "StrictModes no", "UsePAM no", "PidFile none", "LogLevel ERROR",
		"DisableForwarding yes", "PermitTTY no", "Subsystem sftp internal-sftp", "ForceCommand internal-sftp", "",
	}, "\n")), 0o600)
	if err != nil {
		return nil, nil, err
	}
	children := &processes{}
	return func(conn net.Conn) {
		defer conn.Close()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return
		}
		file, err := tcp.File()
		if err != nil {
			return
		}
		defer file.Close()
		command := exec.Command(program, "-i", "-e", "-f", config)
		command.Stdin, command.Stdout, command.Stderr = file, file, &lineWriter{s: s}
		command.WaitDelay = waitTime
		children.run(command)
	}, children.kill, nil
}

// waitTime is how long to wait for the output of a process that has ended: a child of it may hold it open.
const waitTime = 2 * time.Second

// quotePath returns a path as sshd_config has it.
func quotePath(path string) string { return `"` + path + `"` }

// programOf returns OpenSSH's sftp-server, which serves one session.
func (s *Server) programOf(program string) func(io.ReadWriteCloser) {
	return func(channel io.ReadWriteCloser) {
		command := exec.Command(program, "-e", "-l", "ERROR", "-d", s.home)
		in, err := command.StdinPipe()
		if err != nil {
			return
		}
		command.Stdout, command.Stderr = channel, &lineWriter{s: s}
		if err := command.Start(); err != nil {
			return
		}
		_, _ = io.Copy(in, channel) // until the client or the connection ends
		_ = in.Close()
		_ = command.Wait()
	}
}

// serveFolder returns an SFTP server in Go, whose home folder is dir.
func serveFolder(dir string) func(io.ReadWriteCloser) {
	return func(channel io.ReadWriteCloser) {
		server, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(dir))
		if err != nil {
			return
		}
		_ = server.Serve() // until the client or the connection ends
		_ = server.Close()
	}
}

// processes is a set of processes that can be ended together. The zero value is ready for use.
type processes struct {
	mu      sync.Mutex
	all     map[*exec.Cmd]bool
	stopped bool
}

// run runs a process to its end.
func (p *processes) run(command *exec.Cmd) {
	p.mu.Lock()
	if p.stopped || command.Start() != nil {
		p.mu.Unlock()
		return
	}
	if p.all == nil {
		p.all = map[*exec.Cmd]bool{}
	}
	p.all[command] = true
	p.mu.Unlock()
	_ = command.Wait() // its last line of output says why it failed
	p.mu.Lock()
	delete(p.all, command)
	p.mu.Unlock()
}

// kill ends all processes. None is started afterwards.
func (p *processes) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for command := range p.all {
		_ = command.Process.Kill() // an error means that it has ended
	}
}

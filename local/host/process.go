package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	pollEvery = 25 * time.Millisecond // interval between two checks whether the handler answers
	startTime = 30 * time.Second      // how long a handler may take to answer

	// Functions host 4.1045: the third non-zero exit in 30 minutes stops the host. Exit code 200 does not count.
	exitsAllowed = 2
	exitWindow   = 30 * time.Minute
	exitRestart  = 200
)

// process is the handler, with the rules by which the host restarts it.
type process struct {
	path, dir string
	env       []string
	log       *lines
	now       func() time.Time

	mu      sync.Mutex
	current *life
	exits   []time.Time   // non-zero exits within exitWindow
	gone    error         // why the handler is not started again; nil: it is
	stopped chan struct{} // closed when gone is set
	running sync.WaitGroup
}

// life is one start of the handler.
type life struct {
	cmd      *exec.Cmd
	port     int
	known    chan struct{} // closed when it is known whether the handler answers
	answered bool          // set before known is closed
	once     sync.Once
	ended    chan struct{}
	killed   bool // by kill, which does not count as an exit
}

// settle records, once, whether the handler answers.
func (l *life) settle(answered bool) {
	l.once.Do(func() {
		l.answered = answered
		close(l.known)
	})
}

func newProcess(path, dir string, env []string, log *lines, now func() time.Time) *process {
	return &process{path: path, dir: dir, env: env, log: log, now: now, stopped: make(chan struct{})}
}

// start starts the handler.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begin()
}

// begin starts a life. The caller holds mu.
func (p *process) begin() error {
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	cmd := exec.Command(p.path)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), p.env...), fmt.Sprintf("FUNCTIONS_CUSTOMHANDLER_PORT=%d", port))
	ownGroup(cmd, syscall.SIGKILL)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the handler: %w", err)
	}
	l := &life{cmd: cmd, port: port, known: make(chan struct{}), ended: make(chan struct{})}
	p.current = l
	p.running.Go(func() { followOutput(out, p.log.say) })
	p.running.Go(func() {
		if !pollUntilUp(l) {
			p.log.say("host: the handler does not answer")
			p.end(errors.New("the handler did not answer within 30 s of its start"))
		}
	})
	p.running.Go(func() {
		err := cmd.Wait()
		in.Close()
		close(l.ended)
		p.exited(l, err)
	})
	return nil
}

// exited handles the end of a life: it restarts the handler or gives it up.
func (p *process) exited(l *life, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer l.settle(false) // after the next life has begun, or the handler was given up
	if p.gone != nil {
		return
	}
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	switch {
	case l.killed || code == exitRestart:
	case code == 0:
		p.giveUp(errors.New("the handler exited with 0: it is never started again"))
		return
	default:
		now := p.now()
		p.exits = append(p.exits, now)
		for now.Sub(p.exits[0]) >= exitWindow {
			p.exits = p.exits[1:]
		}
		if len(p.exits) > exitsAllowed {
			p.giveUp(fmt.Errorf("the handler's third exit within %v was with %d: the host stops", exitWindow, code))
			return
		}
	}
	p.log.say(fmt.Sprintf("host: the handler exited with %d and is started again", code))
	if err := p.begin(); err != nil {
		p.giveUp(err)
	}
}

// giveUp records that the handler will not be started again. The caller holds mu.
func (p *process) giveUp(err error) {
	if p.gone == nil {
		p.gone = err
		close(p.stopped)
		p.log.say("host: " + err.Error())
	}
}

// address returns where the current handler listens, or will, or did.
func (p *process) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("http://127.0.0.1:%d", p.current.port)
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.cmd.Process.Pid
}

// await returns when the current handler answers, or with the reason why there will be none.
func (p *process) await(ctx context.Context) error {
	for {
		p.mu.Lock()
		l, gone := p.current, p.gone
		p.mu.Unlock()
		if gone != nil {
			return gone
		}
		select {
		case <-l.known:
		case <-p.stopped:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		select {
		case <-l.ended:
			// exited is handling its end: check again.
			select {
			case <-time.After(pollEvery):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case <-p.stopped:
		default:
			if l.answered {
				return nil
			}
		}
	}
}

// kill kills the handler as the host does when a function's time is over: at once and without notice. The host then
// starts the next one, and does not count the exit (Functions host 4.1045: four in a minute were accepted).
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone == nil {
		p.current.killed = true
		_ = p.current.cmd.Process.Kill() // if it has ended already, exited handles that
	}
}

// end kills the handler, which is not started again.
func (p *process) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveUp(err)
	if p.current != nil {
		_ = p.current.cmd.Process.Kill()
	}
}

// stop kills the handler, which is not started again, and waits until it has ended.
func (p *process) stop() {
	p.end(errors.New("stopped"))
	p.running.Wait()
}

// pollUntilUp requests GET / until there is any HTTP answer or the handler has ended. It returns false if neither
// happened in time.
func pollUntilUp(l *life) bool {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	late := time.NewTimer(startTime)
	defer late.Stop()
	for {
		select {
		case <-l.ended:
			return true
		case <-late.C:
			return false
		case <-ticker.C:
		}
		if resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", l.port)); err == nil {
			resp.Body.Close()
			l.settle(true)
			return true
		}
	}
}

// followOutput passes each line to say; what follows a line that is too long is dropped.
func followOutput(out io.Reader, say func(string)) {
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		say(scanner.Text())
	}
	_, _ = io.Copy(io.Discard, out)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Package azurite starts Azurite, Microsoft's emulator of Azure Storage, for the local run and for
// tests: blobs, queues and tables on ports of 127.0.0.1 that nobody else has.
package azurite

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// Account is the name of the one account that Azurite has.
	Account = "devstoreaccount1"
	// Key is that account's key. It is published by Microsoft and the same everywhere: no secret.
	Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

	startTime = 60 * time.Second // it is up in 1 to 2 s; a busy machine takes longer
	stopTime  = 10 * time.Second
)

// Options says where Azurite is and where it keeps its data.
type Options struct {
	Root string    // the repository's root, with local/package.json; npm installs Azurite there on first use
	Dir  string    // where the data lie; "" keeps them in memory
	Log  io.Writer // what npm and Azurite say; nil: nowhere

	// Access gets a line for each request, in the common log format, soon after it was answered; nil: there is no such log.
	Access func(line string)

	// Hold is a file that the emulator has open, too, until it has ended, and with it the file's lock; nil: there is none.
	Hold *os.File

	// Accounts is how many accounts there are besides the usual one, for tests that must not see each other's data (see For).
	Accounts int
}

// Azurite is one running emulator.
type Azurite struct {
	BlobURL, QueueURL, TableURL string // e.g. http://127.0.0.1:41087/devstoreaccount1

	account, key string // "": the usual ones
	stdin        io.Closer
	cmd          *exec.Cmd
	ended        chan struct{} // closed when the process is gone

	mu   sync.Mutex
	tail string // its last line, for the error when it ends too early
}

// Start installs Azurite if it is not there yet, starts it and returns when all three services
// answer. It ends with Stop, or with this process however that ends; ctx bounds the start only.
func Start(ctx context.Context, o Options) (*Azurite, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	script, err := installAzurite(ctx, o.Root, o.Log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	a, ports, err := launchProcess(script, o)
	if err != nil {
		return nil, err
	}
	if err := a.await(ctx, ports); err != nil {
		a.Stop()
		return nil, err
	}
	return a, nil
}

// bootstrap runs Azurite inside a process that ends when its standard input does: the other
// end is held by us and nobody else, so no emulator outlives a parent that was killed. The
// first steps of the end are those of SIGTERM, which write the data to the disk.
const bootstrap = `process.stdin.resume().on("end", () => {
  process.emit("SIGTERM");
  setTimeout(() => process.exit(0), 8000).unref();
});
require(process.argv[1]);`

func launchProcess(script string, o Options) (*Azurite, <-chan string, error) {
	// The first option is Node.js's own, in MiB: what a request leaves dies young, and with the usual 16 its one thread has to collect more often.
	args := []string{"--max-semi-space-size=64", "-e", bootstrap, script, "--disableTelemetry"}
	if o.Access == nil {
		args = append(args, "--silent")
	}
	for _, service := range []string{"blob", "queue", "table"} {
		// Port 0 lets the system choose: a port chosen here could be another's by the time it is used.
		// Azurite closes idle connections after 5 s, which a client can take for a lost answer.
		args = append(args, "--"+service+"Host", "127.0.0.1", "--"+service+"Port", "0", "--"+service+"KeepAliveTimeout", "300")
	}
	// Azurite refuses --inMemoryPersistence together with a location.
	if o.Dir == "" {
		args = append(args, "--inMemoryPersistence")
	} else {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return nil, nil, fmt.Errorf("find Azurite's data folder: %w", err)
		}
		args = append(args, "--location", dir)
	}
	// Not npx: one that is killed leaves the emulator behind.
	cmd := exec.Command("node", args...)
	cmd.Dir = os.TempDir() // in memory, too, it insists on a working folder
	if o.Accounts > 0 {
		cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+accountList(o.Accounts))
	}
	ownGroup(cmd)
	if o.Hold != nil {
		inheritFile(cmd, o.Hold)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start Azurite: %w", err)
	}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start Azurite: %w", err)
	}
	a := &Azurite{stdin: stdin, cmd: cmd, ended: make(chan struct{})}
	ports := make(chan string, 3)
	go a.follow(out, o, ports)
	go func() {
		_ = cmd.Wait() // how it ended says nothing: it is stopped by us or its last line tells why
		in.Close()
		close(a.ended)
	}()
	return a, ports, nil
}

// follow passes on what Azurite says and picks the addresses out of it.
func (a *Azurite) follow(out io.Reader, o Options, addresses chan<- string) {
	const mark = "service is successfully listening at "
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if o.Access != nil && strings.HasPrefix(line, "127.0.0.1 - - [") { // only the access log's lines begin with the client's address
			o.Access(line)
			continue
		}
		a.mu.Lock()
		a.tail = line
		a.mu.Unlock()
		fmt.Fprintln(o.Log, line)
		if _, address, ok := strings.Cut(line, mark); ok {
			select {
			case addresses <- address:
			default: // more than three: not asked for
			}
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line that is too long: it must never block on us
}

// await returns when the services, which start in a fixed order, listen and answer.
func (a *Azurite) await(ctx context.Context, addresses <-chan string) error {
	for _, url := range []*string{&a.BlobURL, &a.QueueURL, &a.TableURL} {
		select {
		case address := <-addresses:
			*url = address + "/" + Account
		case <-a.ended:
			a.mu.Lock()
			defer a.mu.Unlock()
			return fmt.Errorf("start Azurite: it ended; its last line: %s", a.tail)
		case <-ctx.Done():
			return fmt.Errorf("start Azurite: it is not up yet: %w", ctx.Err())
		}
	}
	for ctx.Err() == nil {
		if isUp(ctx, a.BlobURL) && isUp(ctx, a.QueueURL) && isUp(ctx, a.TableURL+"/Tables") {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("start Azurite: it does not answer: %w", ctx.Err())
}

// isUp says whether the service refuses a request without a signature, as it does when it is up.
func isUp(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"?comp=list", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusForbidden
}

// ConnectionString is what the Azure SDKs take. azblob does not know
// UseDevelopmentStorage=true, so everything is spelled out.
func (a *Azurite) ConnectionString() string {
	return a.Through(a.BlobURL, a.TableURL)
}

// Through is ConnectionString with other addresses for two of the services: of something that stands before them.
func (a *Azurite) Through(blob, table string) string {
	return "DefaultEndpointsProtocol=http;AccountName=" + cmp.Or(a.account, Account) + ";AccountKey=" + cmp.Or(a.key, Key) +
		";BlobEndpoint=" + blob + ";QueueEndpoint=" + a.QueueURL + ";TableEndpoint=" + table + ";"
}

// otherKey is the key of every account but the usual one.
const otherKey = "a2V5"

func accountList(n int) string {
	list := Account + ":" + Key
	for i := range n {
		list += ";" + accountName(i) + ":" + otherKey
	}
	return list
}

func accountName(i int) string { return fmt.Sprintf("archive%05d", i) }

// For gives the emulator as its i-th account, from 0, sees it; there are Options.Accounts of them. Only its addresses and
// its connection string are to be used.
func (a *Azurite) For(i int) *Azurite {
	own := func(url string) string { return strings.TrimSuffix(url, Account) + accountName(i) }
	return &Azurite{BlobURL: own(a.BlobURL), QueueURL: own(a.QueueURL), TableURL: own(a.TableURL), account: accountName(i), key: otherKey}
}

// Pid is the emulator's process id.
func (a *Azurite) Pid() int { return a.cmd.Process.Pid }

// Ended is closed when the emulator is gone, by Stop or by itself.
func (a *Azurite) Ended() <-chan struct{} { return a.ended }

// Stop ends the emulator and returns when it is gone. Its data are on disk then if it has a folder.
// It may be called twice.
func (a *Azurite) Stop() {
	_ = a.stdin.Close() // closed already: it is ending
	select {
	case <-a.ended:
		return
	case <-time.After(stopTime):
	}
	if err := killGroup(a.cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	<-a.ended
}

// Package azurite starts Azurite, Microsoft's emulator of Azure Storage, for the local run and for tests: blobs, queues
// and tables on free ports of 127.0.0.1.
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
	// Account is the name of Azurite's default account.
	Account = "devstoreaccount1"
	// Key is that account's key. Microsoft has published it, and it is the same everywhere: it is not a secret.
	Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

	startTime = 60 * time.Second // it takes 1 to 2 s, and longer on a busy machine
	stopTime  = 10 * time.Second
)

// Options holds where Azurite is installed and how it is run.
type Options struct {
	Root string    // the repository's root, with local/package.json; npm installs Azurite there on first use
	Dir  string    // the folder of its data; "": they are in memory only
	Log  io.Writer // the output of npm and Azurite; nil: it is discarded

	// Access, if not nil, is called with a line for each request, in the common log format, soon after the request was
	// answered.
	Access func(line string)

	// Hold, if not nil, is a file that the emulator also keeps open, and with it the file's lock, until it has ended.
	Hold *os.File

	// Accounts is the number of additional accounts, for tests that must not see each other's data (see For).
	Accounts int
}

// Azurite is one running emulator.
type Azurite struct {
	BlobURL, QueueURL, TableURL string // e.g. http://127.0.0.1:41087/devstoreaccount1

	account, key string // "": those of the default account
	stdin        io.Closer
	cmd          *exec.Cmd
	ended        chan struct{} // closed when the process has ended

	mu   sync.Mutex
	tail string // its last line of output, for the error if it ends too early
}

// Start installs Azurite if necessary, starts it, and returns when all three services answer. It ends with Stop, or
// with this process in whatever way that ends. ctx applies to the start only.
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

// bootstrap runs Azurite inside a process that ends when its standard input is closed. Only this process holds the
// other end, so no emulator outlives a parent that was killed. It first emits SIGTERM, at which Azurite writes its data
// to the disk.
const bootstrap = `process.stdin.resume().on("end", () => {
  process.emit("SIGTERM");
  setTimeout(() => process.exit(0), 8000).unref();
});
require(process.argv[1]);`

// launchProcess starts Azurite, and returns a channel on which its services' addresses arrive.
func launchProcess(script string, o Options) (*Azurite, <-chan string, error) {
	// The first option is Node.js's own, in MiB: most objects of a request are short-lived, and with the default of 16
	// the single thread would have to collect garbage more often.
	args := []string{"--max-semi-space-size=64", "-e", bootstrap, script, "--disableTelemetry"}
	if o.Access == nil {
		args = append(args, "--silent")
	}
	for _, service := range []string{"blob", "queue", "table"} {
		// With port 0 the system chooses: a port chosen here could be in use by the time it is needed. By default
		// Azurite closes idle connections after 5 s, which a client could mistake for a lost answer.
		args = append(args, "--"+service+"Host", "127.0.0.1", "--"+service+"Port", "0",
			"--"+service+"KeepAliveTimeout", "300")
	}
	// Azurite does not accept --inMemoryPersistence together with a location.
	if o.Dir == "" {
		args = append(args, "--inMemoryPersistence")
	} else {
		dir, err := filepath.Abs(o.Dir)
		if err != nil {
			return nil, nil, fmt.Errorf("find Azurite's data folder: %w", err)
		}
		args = append(args, "--location", dir)
	}
	// npx is not used: if it is killed, it leaves the emulator running.
	cmd := exec.Command("node", args...)
	cmd.Dir = os.TempDir() // Azurite requires a working folder even if its data are in memory
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
		_ = cmd.Wait() // an error is not needed: Stop ended it, or its last line has the reason
		in.Close()
		close(a.ended)
	}()
	return a, ports, nil
}

// follow logs Azurite's output, and extracts the services' addresses.
func (a *Azurite) follow(out io.Reader, o Options, addresses chan<- string) {
	const mark = "service is successfully listening at "
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		// Only lines of the access log begin with the client's address.
		if o.Access != nil && strings.HasPrefix(line, "127.0.0.1 - - [") {
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
			default: // more than three addresses: not needed
			}
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line that is too long: Azurite must never block on its output
}

// await returns when the services, which start in a fixed order, are listening and answer.
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

// isUp reports whether the service refuses a request without a signature, as it does when it is running.
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

// ConnectionString returns the connection string for the Azure SDKs. azblob does not support
// UseDevelopmentStorage=true, so everything is spelled out.
func (a *Azurite) ConnectionString() string {
	return a.Through(a.BlobURL, a.TableURL)
}

// Through returns the connection string with other addresses of the blob and the table service, e.g. those of a proxy.
func (a *Azurite) Through(blob, table string) string {
	return "DefaultEndpointsProtocol=http;AccountName=" + cmp.Or(a.account, Account) +
		";AccountKey=" + cmp.Or(a.key, Key) +
		";BlobEndpoint=" + blob + ";QueueEndpoint=" + a.QueueURL + ";TableEndpoint=" + table + ";"
}

// otherKey is the key of every account but the default one.
const otherKey = "a2V5"

// accountList returns the default account and n others, as Azurite's variable AZURITE_ACCOUNTS lists them.
func accountList(n int) string {
	list := Account + ":" + Key
	for i := range n {
		list += ";" + accountName(i) + ":" + otherKey
	}
	return list
}

func accountName(i int) string { return fmt.Sprintf("archive%05d", i) }

// For returns the emulator with its i-th additional account, from 0; there are Options.Accounts of them. Only the
// addresses and the connection string of the result may be used.
func (a *Azurite) For(i int) *Azurite {
	own := func(url string) string { return strings.TrimSuffix(url, Account) + accountName(i) }
	return &Azurite{BlobURL: own(a.BlobURL), QueueURL: own(a.QueueURL), TableURL: own(a.TableURL),
		account: accountName(i), key: otherKey}
}

// Pid returns the emulator's process ID.
func (a *Azurite) Pid() int { return a.cmd.Process.Pid }

// Ended returns a channel that is closed when the emulator has ended, by Stop or by itself.
func (a *Azurite) Ended() <-chan struct{} { return a.ended }

// Stop ends the emulator and waits until it has ended. If it has a folder, its data are on disk then. It may be called
// twice.
func (a *Azurite) Stop() {
	_ = a.stdin.Close() // an error means that it is closed already
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

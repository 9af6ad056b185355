package infra

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// compiler is one process of Bicep's compiler that answers requests until the tests end. A process for each file would
// take seconds to start.
type compiler struct {
	writing sync.Mutex
	in      io.Writer

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	ended   error
}

// answer is what the compiler returns to one request.
type answer struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// diagnostic is a remark of the compiler or one of its rules.
type diagnostic struct{ Source, Level, Code, Message string }

func (d diagnostic) String() string {
	return fmt.Sprintf("%s: %s %s: %s", filepath.Base(d.Source), d.Level, d.Code, d.Message)
}

// theCompiler starts the compiler, once.
var theCompiler = sync.OnceValues(func() (*compiler, error) {
	cmd := exec.Command("bicep", "jsonrpc", "--stdio")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &compiler{in: in, waiting: map[int]chan answer{}}
	go c.read(bufio.NewReader(out))
	return c, nil
})

// read hands each answer to the request that waits for it.
func (c *compiler) read(out *bufio.Reader) {
	for {
		var length int
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				c.end(err)
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			if size, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				length, _ = strconv.Atoi(size)
			}
		}
		raw := make([]byte, length)
		var message struct {
			ID int `json:"id"`
			answer
		}
		if _, err := io.ReadFull(out, raw); err != nil {
			c.end(err)
			return
		}
		if err := json.Unmarshal(raw, &message); err != nil {
			c.end(err)
			return
		}
		c.mu.Lock()
		if wait := c.waiting[message.ID]; wait != nil {
			wait <- message.answer
			delete(c.waiting, message.ID)
		}
		c.mu.Unlock()
	}
}

// end fails the requests that wait, and all later ones.
func (c *compiler) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = err
	for _, wait := range c.waiting {
		close(wait)
	}
	c.waiting = nil
}

// turns bounds the requests that are worked on at once: each takes seconds of one processor.
var turns = make(chan struct{}, runtime.NumCPU())

// ask makes one request of the methods of `bicep jsonrpc`.
func (c *compiler) ask(method string, params, result any) error {
	turns <- struct{}{}
	defer func() { <-turns }()
	wait := make(chan answer, 1)
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return fmt.Errorf("the compiler ended: %w", c.ended)
	}
	c.last++
	id := c.last
	c.waiting[id] = wait
	c.mu.Unlock()
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": "bicep/" + method, "params": params})
	if err != nil {
		return err
	}
	c.writing.Lock()
	_, err = fmt.Fprintf(c.in, "Content-Length: %d\r\n\r\n%s", len(raw), raw)
	c.writing.Unlock()
	if err != nil {
		return err
	}
	select {
	case got, ok := <-wait:
		switch {
		case !ok:
			return errors.New("the compiler ended")
		case got.Error != nil:
			return errors.New(got.Error.Message)
		}
		return json.Unmarshal(got.Result, result)
	case <-time.After(2 * time.Minute):
		return fmt.Errorf("no answer to %s", method)
	}
}

// compiled is a template and what the compiler remarks on it.
type compiled struct {
	Success     bool
	Diagnostics []diagnostic
	Contents    string // JSON
}

// build compiles a file. Its rules are those of the nearest bicepconfig.json.
func build(t *testing.T, file string) compiled {
	t.Helper()
	var result compiled
	request(t, "compile", file, nil, &result)
	return result
}

// request asks the compiler about a file.
func request(t *testing.T, method, file string, more map[string]any, result any) {
	t.Helper()
	need(t, "bicep")
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]any{"path": file}
	for name, value := range more {
		params[name] = value
	}
	c, err := theCompiler()
	if err == nil {
		err = c.ask(method, params, result)
	}
	if err != nil {
		t.Fatalf("%s of %s: %v", method, file, err)
	}
}

// mainTemplate is the compiled main.bicep with its modules.
var mainTemplate = sync.OnceValues(func() (compiled, error) {
	var result compiled
	c, err := theCompiler()
	if err != nil {
		return result, err
	}
	file, err := filepath.Abs("main.bicep")
	if err != nil {
		return result, err
	}
	return result, c.ask("compile", map[string]any{"path": file}, &result)
})

func TestBicepHasNothingToSay(t *testing.T) {
	need(t, "bicep")
	template, err := mainTemplate()
	if err != nil || !json.Valid([]byte(template.Contents)) {
		t.Errorf("main.bicep: %v, %d bytes", err, len(template.Contents))
	}
	for _, d := range template.Diagnostics {
		t.Errorf("%v", d)
	}
	for _, file := range bicepFiles(t) {
		if filepath.Ext(file) != ".bicepparam" {
			continue // main.bicep brings its modules with it
		}
		var result struct {
			Success     bool
			Diagnostics []diagnostic
		}
		request(t, "compileParams", file, map[string]any{"parameterOverrides": map[string]any{}}, &result)
		if !result.Success {
			t.Errorf("%s does not compile", file)
		}
		for _, d := range result.Diagnostics {
			t.Errorf("%v", d)
		}
	}
}

// The strict rules are in force, as warnings: a release whose API versions have grown old has to compile for as long
// as someone deploys it. That nothing is remarked on today is a test's.
func TestStrictRules(t *testing.T) {
	for _, config := range []string{"bicepconfig.json", "graph/bicepconfig.json"} {
		text := read(t, config)
		if strings.Contains(text, `"error"`) || strings.Count(text, `"level": "warning"`) < 40 {
			t.Errorf("%s: a rule is an error, or there are too few", config)
		}
	}
	dir := t.TempDir()
	const text = `param unused string
var x = 1
resource s 'Microsoft.Storage/storageAccounts@2019-04-01' = {
  name: 'core.windows.net'
  location: 'westus'
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
}
output key string = s.listKeys().keys[0].value
`
	bad := filepath.Join(dir, "bad.bicep")
	if err := errors.Join(os.WriteFile(bad, []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "bicepconfig.json"), []byte(read(t, "bicepconfig.json")), 0o600)); err != nil {
		t.Fatal(err)
	}
	got := build(t, bad)
	if !got.Success {
		t.Errorf("a file that breaks rules does not compile: %v", got.Diagnostics)
	}
	levels := map[string]string{}
	for _, d := range got.Diagnostics {
		levels[d.Code] = d.Level
	}
	for _, rule := range []string{"no-hardcoded-location", "no-hardcoded-env-urls", "no-unused-params",
		"no-unused-vars",
		"outputs-should-not-contain-secrets", "use-recent-api-versions", "use-description-params"} {
		if levels[rule] != "Warning" {
			t.Errorf("the rule %s is not in force: %v", rule, got.Diagnostics)
		}
	}
}

// In two years this very source compiles: what the rules then remark on are warnings. The exceptions from the rule on
// the age of API versions are taken out, so that there is something to remark on.
func TestCompilesInTwoYears(t *testing.T) {
	need(t, "bicep")
	dir := t.TempDir()
	if err := copySources(dir); err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := readJSON("bicepconfig.json", &config); err != nil {
		t.Fatal(err)
	}
	rule := resource{Properties: config}.at("analyzers.core.rules.use-recent-api-versions").(map[string]any)
	rule["test-today"] = time.Now().AddDate(2, 0, 0).Format(time.DateOnly)
	raw, err := json.Marshal(config)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "bicepconfig.json"), raw, 0o600)
	}
	alerts := filepath.Join(dir, "modules/alerts.bicep")
	if err == nil {
		text := read(t, alerts)
		if !strings.Contains(text, "#disable-next-line use-recent-api-versions") {
			t.Error("modules/alerts.bicep has no exception any more")
		}
		err = os.WriteFile(alerts, []byte(strings.ReplaceAll(text, "#disable-next-line use-recent-api-versions", "")),
			0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := build(t, filepath.Join(dir, "main.bicep"))
	if !got.Success || len(got.Diagnostics) == 0 {
		t.Errorf("it compiles: %t, with %d remarks", got.Success, len(got.Diagnostics))
	}
	for _, d := range got.Diagnostics {
		if d.Level != "Warning" || d.Code != "use-recent-api-versions" {
			t.Errorf("%v", d)
		}
	}
}

func TestBicepIsFormatted(t *testing.T) {
	for _, file := range append(bicepFiles(t), filepath.Join("graph", "tenant-wide.bicep")) {
		var result struct{ Contents string }
		request(t, "format", file, nil, &result)
		if read(t, file) != result.Contents {
			t.Errorf("%s is not formatted: bicep format %s", file, file)
		}
	}
}

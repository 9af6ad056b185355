package infra

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// resource is one that a deployment would make, as `bicep snapshot` predicts it. What only Azure can know stays an
// expression in brackets.
type resource struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Name       string            `json:"name"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	Kind       string            `json:"kind"`
	SKU        map[string]any    `json:"sku"`
	Identity   map[string]any    `json:"identity"`
	Properties map[string]any    `json:"properties"`
}

type prediction struct {
	Resources   []resource     `json:"predictedResources"`
	Diagnostics []any          `json:"diagnostics"`
	Outputs     map[string]any `json:"outputs"`
	raw         string
}

// environments are the parameters files that are predicted.
var environments = []string{"default", "private-network", "us-government"}

// plainer are parameters of a network without a NAT gateway, whose logs are written with a key.
var plainer = []string{"param natGateway = false", "param logsByKey = true"}

var predictions sync.Map // by environment and further parameters: func() (*prediction, error)

// compilers bounds the processes of the compiler: each takes seconds of one processor, mostly to start.
var compilers = make(chan struct{}, runtime.NumCPU())

// compile runs the compiler and returns what it wrote to standard output, and to both outputs.
func compile(dir, bicep string, args ...string) (out, said []byte, err error) {
	compilers <- struct{}{}
	defer func() { <-compilers }()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(bicep, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	err = cmd.Run()
	return stdout.Bytes(), bytes.TrimSpace(slices.Concat(stdout.Bytes(), stderr.Bytes())), err
}

// ahead starts the predictions that several tests need, so that they are made while the first tests run.
var ahead = sync.OnceFunc(func() {
	bicep, err := exec.LookPath("bicep")
	if err != nil {
		return // need reports it
	}
	for _, environment := range environments {
		go func() { _, _ = predicted(bicep, environment, nil) }() // the test that needs it gets the error
	}
	go func() { _, _ = predicted(bicep, "default", later) }()
	go func() { _, _ = predicted(bicep, "us-government", plainer) }()
})

// predicted makes a prediction, once.
func predicted(bicep, environment string, more []string) (*prediction, error) {
	once, _ := predictions.LoadOrStore(environment+"\n"+strings.Join(more, "\n"),
		sync.OnceValues(func() (*prediction, error) { return snapshot(bicep, environment, more) }))
	return once.(func() (*prediction, error))()
}

// predict returns what the deployment of parameters/<environment>.bicepparam would make, with more parameters after
// those of the file: "param deleteLock = false".
func predict(t *testing.T, environment string, more ...string) *prediction {
	t.Helper()
	bicep := need(t, "bicep")
	ahead()
	p, err := predicted(bicep, environment, more)
	if err != nil {
		t.Fatalf("bicep snapshot of %s: %v", environment, err)
	}
	return p
}

func snapshot(bicep, environment string, more []string) (*prediction, error) {
	// The compiler writes its file beside the parameters file.
	work, err := os.MkdirTemp("", "infra-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := copySources(work); err != nil {
		return nil, err
	}
	file := filepath.Join(work, "parameters", environment)
	if len(more) > 0 {
		raw, err := os.ReadFile(file + ".bicepparam")
		if err == nil {
			err = os.WriteFile(file+".bicepparam", []byte(string(raw)+strings.Join(more, "\n")+"\n"), 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	_, said, err := compile("", bicep, "snapshot", file+".bicepparam", "--mode", "overwrite", "--location", "uksouth",
		"--subscription-id", "00000000-0000-0000-0000-000000000001", "--tenant-id",
		"00000000-0000-0000-0000-000000000002")
	if err != nil || len(said) > 0 {
		return nil, &saidError{said: string(said), err: err}
	}
	raw, err := os.ReadFile(file + ".snapshot.json")
	if err != nil {
		return nil, err
	}
	p := &prediction{raw: string(raw)}
	return p, json.Unmarshal(raw, p)
}

// copySources copies what the compiler reads.
func copySources(to string) error {
	for _, name := range []string{"apps", "graph", "modules", "parameters", "queries"} {
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"main.bicep", "bicepconfig.json"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}

type saidError struct {
	said string
	err  error
}

func (e *saidError) Error() string {
	if e.err == nil {
		return e.said
	}
	return e.err.Error() + "\n" + e.said
}

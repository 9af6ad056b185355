package infra

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	environment string
}

// testTenant is the tenant of the subscription.
const testTenant = "00000000-0000-0000-0000-000000000002"

// environments are the parameters files that are predicted.
var environments = []string{"default", "private-network", "us-government", "existing-network", "existing-monitoring",
	"delivery-sftp", "delivery-landing"}

// plainer are parameters of a network without a NAT gateway, in which a policy makes the entries in DNS zones; logs are
// written with a key, and no role has a condition.
var plainer = []string{"param natGateway = false", "param logsByKey = true",
	"param existingZones = { blob: '', queue: '', table: '', vault: '' }", "param roleConditions = false"}

var predictions sync.Map // by environment and further parameters: func() (*prediction, error)

// ahead starts the predictions that several tests need, so that they are made while the first tests run.
var ahead = sync.OnceFunc(func() {
	for _, environment := range environments {
		go func() { _, _ = predicted(environment, nil) }() // the test that needs it gets the error
	}
	go func() { _, _ = predicted("default", later) }()
	go func() { _, _ = predicted("us-government", plainer) }()
})

// predicted makes a prediction, once.
func predicted(environment string, more []string) (*prediction, error) {
	once, _ := predictions.LoadOrStore(environment+"\n"+strings.Join(more, "\n"),
		sync.OnceValues(func() (*prediction, error) { return snapshot(environment, more) }))
	return once.(func() (*prediction, error))()
}

// predict returns what the deployment of parameters/<environment>.bicepparam would make, with more parameters after
// those of the file: "param deleteLock = false".
func predict(t *testing.T, environment string, more ...string) *prediction {
	t.Helper()
	need(t, "bicep")
	ahead()
	p, err := predicted(environment, more)
	if err != nil {
		t.Fatalf("bicep snapshot of %s: %v", environment, err)
	}
	if len(p.Diagnostics) > 0 { // a module that could not be predicted would be missing
		t.Fatalf("bicep snapshot of %s: %v", environment, p.Diagnostics)
	}
	return p
}

func snapshot(environment string, more []string) (*prediction, error) {
	file, err := filepath.Abs(filepath.Join("parameters", environment+".bicepparam"))
	if err != nil {
		return nil, err
	}
	if len(more) > 0 {
		work, err := os.MkdirTemp("", "infra-*")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(work)
		raw, err := os.ReadFile(file)
		if err == nil {
			err = copySources(work)
		}
		file = filepath.Join(work, "parameters", environment+".bicepparam")
		if err == nil {
			err = os.WriteFile(file, []byte(string(raw)+strings.Join(more, "\n")+"\n"), 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	c, err := theCompiler()
	if err != nil {
		return nil, err
	}
	var result struct{ Snapshot string }
	err = c.ask("getSnapshot", map[string]any{"path": file, "metadata": map[string]any{"location": "uksouth",
		"subscriptionId": "00000000-0000-0000-0000-000000000001",
		"tenantId":       testTenant}}, &result)
	if err != nil {
		return nil, err
	}
	p := &prediction{raw: result.Snapshot, environment: environment}
	return p, json.Unmarshal([]byte(result.Snapshot), p)
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

package infra

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// parser makes sure that the parser of checks/package-lock.json is there: npm installs it on first use.
var parser = sync.OnceValues(func() (said []byte, err error) {
	const name = "@kusto/language-service-next"
	want, err := lockedVersion("checks/package-lock.json", name)
	if err != nil {
		return nil, err
	}
	// npm writes it last
	if got, err := lockedVersion("checks/node_modules/.package-lock.json", name); err == nil && got == want {
		return nil, nil
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = "checks"
	return cmd.CombinedOutput()
})

func lockedVersion(file, name string) (string, error) {
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	err := readJSON(file, &lock)
	return lock.Packages["node_modules/"+name].Version, err
}

// parsed is what the parser says of a query.
type parsed struct {
	Wrong   []string `json:"wrong"`
	Columns []string `json:"columns"`
}

func parse(t *testing.T, queries map[string]string) map[string]parsed {
	t.Helper()
	need(t, "node")
	need(t, "npm")
	if said, err := parser(); err != nil {
		t.Fatalf("npm ci in infra/checks: %v\n%s", err, said)
	}
	in, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "checks/kql.cjs")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	all := map[string]parsed{}
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil || len(all) != len(queries) {
		t.Fatalf("checks/kql.cjs: %v, %d answers to %d queries\n%s", err, len(all), len(queries), stderr.String())
	}
	return all
}

// Each query, as the alerts and the workbook have it, is KQL to Microsoft's own parser, names and types of columns
// included.
func TestQueriesAreKQL(t *testing.T) {
	files, err := filepath.Glob("queries/*.kql")
	if err != nil || len(files) < 10 {
		t.Fatalf("queries: %v, %v", files, err)
	}
	lines := read(t, "queries/lines.kql")
	queries := map[string]string{
		"keyword": lines + "lines | project to = todatetime(line.to)",
		"column":  lines + "lines | where nobody == 1",
	}
	for _, file := range files {
		if file == filepath.Join("queries", "lines.kql") {
			continue
		}
		queries[file] = lines + "\n" + read(t, file)
	}
	if _, err := exec.LookPath("bicep"); err == nil {
		// In a shared workspace every table gets a condition; between them these two ask for every table.
		p := predict(t, "existing-monitoring")
		for _, name := range []string{"no-fetch", "given-up"} {
			queries["shared/"+name+".kql"] = p.scoped(lines + "\n" + read(t, "queries/"+name+".kql"))
		}
	}
	for name, p := range parse(t, queries) {
		if strings.HasSuffix(name, ".kql") {
			if len(p.Wrong) > 0 || len(p.Columns) == 0 {
				t.Errorf("%s: columns %v\n%s", name, p.Columns, strings.Join(p.Wrong, "\n"))
			}
		} else if len(p.Wrong) == 0 {
			t.Errorf("the parser takes what is no KQL: %s", name)
		}
		if name == filepath.Join("queries", "unmapped.kql") && !slices.Contains(p.Columns, "unmapped") {
			t.Errorf("%s has no column unmapped, which the alert measures: %v", name, p.Columns)
		}
	}
}

// The tests of the deployment: what the Bicep would make, by its own compiler's prediction, and what the scripts do to
// a stand-in for az. Nothing here talks to Azure.
package infra

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// need returns the program, or leaves the test out and says so. REQUIRE_<NAME>=1 makes its absence a failure.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("REQUIRE_"+strings.ToUpper(program)) == "1" {
		t.Fatalf("%s is not on PATH, and REQUIRE_%s=1 demands it", program, strings.ToUpper(program))
	}
	t.Skipf("LEFT OUT: %s is not on PATH", program)
	return ""
}

// each runs a test on every predicted environment.
func each(t *testing.T, test func(t *testing.T, p *prediction)) {
	for _, environment := range environments {
		t.Run(environment, func(t *testing.T) { test(t, predict(t, environment)) })
	}
}

func (p *prediction) of(kind string) (found []resource) {
	for _, r := range p.Resources {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	return found
}

// at returns the value at a path of the resource's properties: "a.b.c"; nil if it is not there.
func (r resource) at(path string) any {
	var v any = r.Properties
	for part := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[part]
	}
	return v
}

// want complains unless the property has the value.
func (r resource) want(t *testing.T, path string, value any) {
	t.Helper()
	if got := r.at(path); got != value {
		t.Errorf("%s %s: %s is %v, want %v", r.Type, r.Name, path, got, value)
	}
}

func bicepFiles(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*.bicep", "*/*.bicep", "parameters/*.bicepparam"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if filepath.Dir(file) != "graph" { // needs an extension from a registry, see its README
				files = append(files, file)
			}
		}
	}
	if len(files) < 12 {
		t.Fatalf("only %d Bicep files found", len(files))
	}
	return files
}

// The compiler takes the nearest bicepconfig.json alone: the one with the extension, in graph, has to repeat the rules.
func TestGraphHasTheStrictRules(t *testing.T) {
	var ours, graphs map[string]any
	for name, config := range map[string]*map[string]any{"bicepconfig.json": &ours, "graph/bicepconfig.json": &graphs} {
		if err := readJSON(name, config); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := graphs["extensions"]; !ok {
		t.Error("graph/bicepconfig.json has no extension")
	}
	delete(graphs, "extensions")
	if diff := cmp.Diff(ours, graphs); diff != "" {
		t.Errorf("graph/bicepconfig.json, -the rules +its own:\n%s", diff)
	}
}

func TestTags(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, r := range p.Resources {
			if r.Location != "" && (r.Tags["azd-env-name"] == "" || r.Tags["application"] == "") {
				t.Errorf("%s %s: tags %v", r.Type, r.Name, r.Tags)
			}
		}
	})
}

// An app has one name in every layer.
func TestAppsAreTheSameEverywhere(t *testing.T) {
	azure, main := read(t, "../azure.yaml"), read(t, "main.bicep")
	var names []string
	for _, app := range appNames() {
		names = append(names, "'"+app+"'")
		only := ""
		if app == portalApp { // azd fails at a service without its app
			only = ", condition: '${PORTAL}'"
		}
		if line := "\n  " + app + ": { project: ., host: function, language: custom, dist: build/" + app + ".zip" +
			only + " }\n"; !strings.Contains(azure, line) {
			t.Errorf("azure.yaml lacks the line%s", line)
		}
		if !strings.Contains(main, "'apps/"+app+".bicep'") {
			t.Errorf("main.bicep does not call apps/%s.bicep", app)
		}
	}
	if list := "var apps = [" + strings.Join(names, ", ") + "]"; !strings.Contains(main, list) {
		t.Errorf("main.bicep lacks %s", list)
	}
	if found, err := filepath.Glob("apps/*.bicep"); err != nil || len(found) != len(names) {
		t.Errorf("apps/ holds %v (%v)", found, err)
	}
}

func TestEveryModuleIsUsedAndNoneComesFromARegistry(t *testing.T) {
	var all strings.Builder
	for _, file := range bicepFiles(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	if strings.Contains(all.String(), "'br:") || strings.Contains(all.String(), "'br/") ||
		strings.Contains(all.String(), "'ts:") {
		t.Error("a module comes from a registry: the deployment then needs more than this folder and Azure")
	}
	for _, file := range bicepFiles(t) {
		if filepath.Ext(file) == ".bicep" && file != "main.bicep" &&
			!strings.Contains(all.String(), filepath.Base(file)+"'") {
			t.Errorf("%s is used by nothing", file)
		}
	}
}

var parameter = regexp.MustCompile(`(?m)((?:^@.*\n(?:^ .*\n|^\)\n|^\]\)\n)*)*)^param (\w+) [^\n]*`)

// Every parameter is described, and those that azd passes on are parameters.
func TestParameters(t *testing.T) {
	raw, err := os.ReadFile("main.bicep")
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, m := range parameter.FindAllStringSubmatch(string(raw), -1) {
		declared[m[2]] = true
		if !strings.Contains(m[1], "@description('") {
			t.Errorf("main.bicep: parameter %s has no description", m[2])
		}
	}
	if len(declared) < 20 {
		t.Fatalf("only %d parameters found", len(declared))
	}
	for name := range parameters(t) {
		if !declared[name] {
			t.Errorf("main.parameters.json passes %s, which main.bicep does not know", name)
		}
	}
	page := read(t, "parameters/README.md")
	for name := range declared {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("parameters/README.md does not mention the parameter %s", name)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func readJSON(name string, v any) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// parameters are those that azd passes on.
func parameters(t *testing.T) map[string]any {
	t.Helper()
	var file struct{ Parameters map[string]any }
	if err := readJSON("main.parameters.json", &file); err != nil {
		t.Fatal(err)
	}
	return file.Parameters
}

package infra

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var alertNames = []string{"failed-imports", "gap", "given-up", "no-fetch", "source-count", "unfinished", "unmapped"}

func TestAlerts(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		var names []string
		for _, r := range p.of("Microsoft.Insights/scheduledQueryRules") {
			name := r.Name[len("archiver-"):strings.LastIndexByte(r.Name, '-')]
			names = append(names, name)
			r.want(t, "enabled", true)
			r.want(t, "autoMitigate", true)
			if groups, _ := r.at("actions.actionGroups").([]any); len(groups) != 1 {
				t.Errorf("%s: nobody hears of it: %v", name, groups)
			}
			rule := resource{Properties: r.at("criteria.allOf").([]any)[0].(map[string]any)}
			query, _ := rule.Properties["query"].(string)
			if !strings.Contains(query, strings.TrimSpace(read(t, "queries/"+name+".kql"))) || !strings.HasPrefix(query, read(t, "queries/lines.kql")) {
				t.Errorf("%s: its query is not that of queries/%s.kql", name, name)
			}
			rule.want(t, "operator", "GreaterThan")
			if name == "unmapped" {
				rule.want(t, "threshold", 20.0)
				rule.want(t, "metricMeasureColumn", "unmapped")
			} else {
				rule.want(t, "threshold", 0.0)
				rule.want(t, "timeAggregation", "Count")
			}
			if description, _ := r.at("description").(string); !strings.Contains(description, `infra/README.md, "`+name+`"`) {
				t.Errorf("%s: the description does not lead to the runbook: %q", name, description)
			}
		}
		slices.Sort(names)
		if diff := cmp.Diff(alertNames, names); diff != "" {
			t.Errorf("alerts, -want +got:\n%s", diff)
		}
	})
	if groups := predict(t, "private-network").of("Microsoft.Insights/actionGroups"); len(groups) != 0 {
		t.Error("an action group is made although one is given")
	}
}

// Each alert has its heading in the runbook, with what it means, what to look at and what to do.
func TestRunbook(t *testing.T) {
	readme := read(t, "README.md")
	for _, name := range alertNames {
		_, rest, ok := strings.Cut(readme, "\n### "+name+"\n")
		section, _, _ := strings.Cut(rest, "\n#")
		if !ok {
			t.Errorf("README.md has no heading %s", name)
			continue
		}
		for _, part := range []string{"**It means**", "**Look at**", "**Do**"} {
			if !strings.Contains(section, part) {
				t.Errorf("README.md, %s: %s is missing", name, part)
			}
		}
	}
}

var (
	message  = regexp.MustCompile(`\bmsg (?:==|in) (\([^)]*\)|'[^']*'|"[^"]*")`)
	literal  = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
	field    = regexp.MustCompile(`\b(?:line|records|line\.copies|line\.records)\.([a-z_]+)`)
	function = regexp.MustCompile(`\bfunc == '([a-z]+)'`)
	logCall  = regexp.MustCompile(`[lL]og\.(?:Info|Warn|Error)\("((?:[^"\\]|\\.)*)"`)
)

// sources are the Go files whose lines come into the log.
func sources(t *testing.T) (all string, messages map[string]bool) {
	t.Helper()
	var text strings.Builder
	messages = map[string]bool{}
	for _, root := range []string{"../handlers", "../shared"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text.Write(raw)
			for _, m := range logCall.FindAllStringSubmatch(string(raw), -1) {
				messages[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(messages) < 15 {
		t.Fatalf("only %d messages found in the sources", len(messages))
	}
	return text.String(), messages
}

// A query asks for what the handlers write: a message that is reworded, or an attribute that is renamed, fails here and not in
// silence.
func TestQueriesAskForWhatIsLogged(t *testing.T) {
	all, messages := sources(t)
	files, err := filepath.Glob("queries/*.kql")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, file := range files {
		query := regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAllString(read(t, file), "")
		for _, m := range message.FindAllStringSubmatch(query, -1) {
			for _, l := range literal.FindAllStringSubmatch(m[1], -1) {
				asked[l[1]+l[2]] = true
				if !messages[l[1]+l[2]] {
					t.Errorf("%s asks for %q, which no handler writes", file, l[1]+l[2])
				}
			}
		}
		for _, m := range field.FindAllStringSubmatch(query, -1) {
			if name := m[1]; !strings.Contains(all, `"`+name+`"`) && !slices.Contains([]string{"level", "msg", "records", "copies"}, name) {
				t.Errorf("%s asks for the attribute %s, which no handler writes", file, name)
			}
		}
		for _, m := range function.FindAllStringSubmatch(query, -1) {
			if _, err := os.Stat("../functions/" + m[1]); err != nil {
				t.Errorf("%s asks for the function %s: %v", file, m[1], err)
			}
		}
	}
	for _, text := range []string{"slice fetched", "fetch ended", "batch imported", "invocation failed"} {
		if !asked[text] {
			t.Errorf("no query asks for %q", text)
		}
	}
	// Host and Application Insights must not thin out what the alerts count.
	if !strings.Contains(read(t, "../host.json"), `"excludedTypes": "Request;Exception;Trace"`) {
		t.Error("host.json: sampling takes lines away that the alerts rest on")
	}
}

func TestEveryQueryIsUsed(t *testing.T) {
	files, err := filepath.Glob("queries/*.kql")
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "modules/alerts.bicep")
	for _, file := range files {
		if !strings.Contains(text, "'../"+filepath.ToSlash(file)+"'") {
			t.Errorf("%s is used by nothing", file)
		}
	}
}

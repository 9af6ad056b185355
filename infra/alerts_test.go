package infra

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rule is what is expected of an alert. One about an event that has happened stays until it is closed, and comes
// once a day; one about a state ends with it.
type rule struct {
	Severity     float64
	Window       string
	Event        bool
	Above        float64
	Column, Sums string // what is measured, and how
}

var alertRules = map[string]rule{
	"clock":            {1, "P1D", true, 0, "", "Count"},
	"credentials":      {1, "P1D", true, 0, "", "Count"},
	"errors":           {1, "P1D", true, 0, "", "Count"},
	"failed-imports":   {1, "P1D", true, 0, "", "Count"},
	"gap":              {1, "P2D", false, 0, "", "Count"},
	"given-up":         {2, "P1D", true, 0, "", "Count"},
	"more-differing":   {2, "P1D", true, 0, "", "Count"},
	"more-incomplete":  {2, "P1D", true, 0, "", "Count"},
	"more-left-out":    {2, "P1D", true, 0, "", "Count"},
	"more-quarantined": {2, "P1D", true, 0, "", "Count"},
	"more-unmapped":    {2, "P1D", true, 0, "", "Count"},
	"no-events":        {1, "P1D", true, 0, "", "Count"},
	"no-fetch":         {1, "P2D", false, 0, "", "Count"}, // longer than its 26 hours
	"source-count":     {1, "P1D", true, 0, "", "Count"},
	"stuck-import":     {1, "P1D", true, 0, "", "Count"},
	"stuck":            {1, "P1D", true, 0, "", "Count"},
	"unfinished":       {1, "P2D", false, 0, "", "Count"},
	"unmapped":         {2, "P1D", true, 20, "unmapped", "Total"},
}

// deliveryRules are the alerts where items come from deliveries, beside the others.
var deliveryRules = map[string]rule{
	"delivery-gap":      {1, "P1D", true, 0, "", "Count"},
	"failed-deliveries": {1, "P1D", true, 0, "", "Count"},
	"no-delivery":       {1, "P1D", true, 0, "", "Count"},
}

var alertNames = slices.Concat(slices.Sorted(maps.Keys(alertRules)), slices.Sorted(maps.Keys(deliveryRules)))

// scoped returns a query as an environment has it: in a workspace that others use too it counts only the lines of this
// environment's component and the requests to its archive.
func (p *prediction) scoped(query string) string {
	if p.environment != "existing-monitoring" {
		return query
	}
	archive := ""
	for _, account := range p.of("Microsoft.Storage/storageAccounts") {
		if strings.HasPrefix(account.Name, "starchive") {
			archive = account.Name
		}
	}
	component := p.of("Microsoft.Insights/components")[0].ID
	return strings.NewReplacer("AppTraces", "(AppTraces | where _ResourceId =~ '"+component+"')",
		"StorageQueueLogs", "(StorageQueueLogs | where AccountName == '"+archive+"')",
		"StorageBlobLogs", "(StorageBlobLogs | where AccountName == '"+archive+"')").Replace(query)
}

func TestAlerts(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		got := map[string]rule{}
		for _, r := range p.of("Microsoft.Insights/scheduledQueryRules") {
			name := r.Name[len("archiver-"):strings.LastIndexByte(r.Name, '-')]
			r.want(t, "enabled", true)
			r.want(t, "evaluationFrequency", "PT1H")
			if groups, _ := r.at("actions.actionGroups").([]any); len(groups) != 1 {
				t.Errorf("%s: nobody hears of it: %v", name, groups)
			}
			all, _ := r.at("criteria.allOf").([]any)
			if len(all) != 1 {
				t.Fatalf("%s: %d criteria", name, len(all))
			}
			c := resource{Name: name, Properties: all[0].(map[string]any)}
			query, _ := c.at("query").(string)
			if query != p.scoped(read(t, "queries/lines.kql")+"\n"+read(t, "queries/"+name+".kql")) {
				t.Errorf("%s: its query is not that of queries/%s.kql", name, name)
			}
			c.want(t, "operator", "GreaterThan")
			c.want(t, "failingPeriods.minFailingPeriodsToAlert", 1.0)
			column, _ := c.at("metricMeasureColumn").(string)
			sums, _ := c.at("timeAggregation").(string)
			window, _ := r.at("windowSize").(string)
			above, _ := c.at("threshold").(float64)
			severity, _ := r.at("severity").(float64)
			ends, said := r.at("autoMitigate").(bool)
			// Azure takes a pause only of a rule that does not end by itself.
			pause := map[bool]any{true: nil, false: "P1D"}[ends]
			if r.want(t, "muteActionsDuration", pause); !said {
				t.Errorf("%s does not say whether it ends by itself", name)
			}
			got[name] = rule{severity, window, !ends, above, column, sums}
			if description, _ := r.at("description").(string); !strings.Contains(description,
				`infra/runbook.md, "`+name+`"`) {
				t.Errorf("%s: the description does not lead to the runbook: %q", name, description)
			}
		}
		want := maps.Clone(alertRules)
		if appSettings(t, p)["fetch"]["SOURCE"] == "delivery" {
			maps.Copy(want, deliveryRules)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("alerts, -want +got:\n%s", diff)
		}
	})
	for _, environment := range []string{"private-network", "existing-monitoring"} {
		if groups := predict(t, environment).of("Microsoft.Insights/actionGroups"); len(groups) != 0 {
			t.Errorf("%s: an action group is made although one is given", environment)
		}
	}
	workbooks := predict(t, "default").of("Microsoft.Insights/workbooks")
	if len(workbooks) != 1 {
		t.Fatalf("%d workbooks", len(workbooks))
	}
	workbooks[0].want(t, "sourceId", "Azure Monitor") // where runbook.md says that it is
}

// What the workbook shows is a text in which the portal looks for JSON; nothing else reads it.
func TestWorkbook(t *testing.T) {
	want := [][2]string{
		{"By day", "days"}, {"Left out, incomplete, differing", "left-out"},
		{"More than usual", "usual"}, {"Copies by hour", "copies"}, {"Runs", "runs"}, {"Deliveries", "zips"},
		{"Not fetched", "gap"}, {"Not imported to the end", "unfinished"},
		{"Poison queue and dead letters", "undelivered"}, {"Trouble", "trouble"}, {"Duration in ms", "times"},
	}
	each(t, func(t *testing.T, p *prediction) {
		var book struct {
			Version string
			Items   []struct {
				Name    string
				Content struct {
					Parameters               []struct{ Name string }
					Title, Query             string
					TimeContextFromParameter string
					CrossComponentResources  []string
				}
			}
		}
		text, _ := p.of("Microsoft.Insights/workbooks")[0].at("serializedData").(string)
		if err := json.Unmarshal([]byte(text), &book); err != nil {
			t.Fatalf("serializedData: %v\n%s", err, text)
		}
		if len(book.Items) != 1+len(want) || book.Version != "Notebook/1.0" ||
			len(book.Items[0].Content.Parameters) != 1 {
			t.Fatalf("%d items: %+v", len(book.Items), book)
		}
		for i, item := range book.Items[1:] {
			if c := item.Content; c.Title != want[i][0] ||
				c.Query != p.scoped(read(t, "queries/lines.kql")+"\n"+read(t, "queries/"+want[i][1]+".kql")) {
				t.Errorf("item %d, %q, is not %q with queries/%s.kql:\n%s", i, c.Title, want[i][0], want[i][1], c.Query)
			} else if c.TimeContextFromParameter != book.Items[0].Content.Parameters[0].Name ||
				len(c.CrossComponentResources) != 1 {
				t.Errorf("%s looks at the time of %q in %v", c.Title, c.TimeContextFromParameter,
					c.CrossComponentResources)
			}
		}
	})
}

// Each alert has its heading in the runbook, with what it means, what to look at and what to do.
func TestRunbook(t *testing.T) {
	runbook := read(t, "runbook.md")
	for _, name := range alertNames {
		_, rest, ok := strings.Cut(runbook, "\n## "+name+"\n")
		section, _, _ := strings.Cut(rest, "\n#")
		if !ok {
			t.Errorf("runbook.md has no heading %s", name)
			continue
		}
		for _, part := range []string{"**It means**", "**Look at**", "**Do**"} {
			if !strings.Contains(section, part) {
				t.Errorf("runbook.md, %s: %s is missing", name, part)
			}
		}
	}
}

var (
	asked    = regexp.MustCompile(`\bevent (?:==|in|!in) (\([^)]*\)|'[^']*'|"[^"]*")`)
	literal  = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
	field    = regexp.MustCompile(`\bline((?:\.[a-zA-Z_]+|\['[a-zA-Z_]+'\])+)`)
	part     = regexp.MustCompile(`[a-zA-Z_]+`)
	function = regexp.MustCompile(`\bfunc == '([a-z]+)'`)
	sentence = regexp.MustCompile(`\bmsg +(?:==|!=|=~|in|!in|has|contains|startswith|matches)`)
)

// sources are the Go files whose lines come into the log.
func sources(t *testing.T) string {
	t.Helper()
	var text strings.Builder
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
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// A query asks for what the handlers write: an event or an attribute that is renamed fails here and not in silence. The
// sentence of a line may change at any time, so no query asks for one.
func TestQueriesAskForWhatIsLogged(t *testing.T) {
	all, events := sources(t), map[string]bool{}
	for _, line := range logLines(t) {
		events[line.Event] = true
	}
	files, err := filepath.Glob("queries/*.kql")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		query := kql(t, file)
		if sentence.MatchString(query) {
			t.Errorf("%s asks for a sentence: %s", file, sentence.FindString(query))
		}
		for _, event := range asksFor(query) {
			used[event] = true
			if !events[event] {
				t.Errorf("%s asks for %s, which no handler writes", file, event)
			}
		}
		for _, m := range field.FindAllStringSubmatch(query, -1) {
			// The end-to-end tests hold the whole path against the lines of a day.
			for _, name := range part.FindAllString(m[1], -1) {
				if !strings.Contains(all, `"`+name+`"`) && name != "level" && name != "msg" { // those are slog's
					t.Errorf("%s asks for the attribute %s, which no handler writes", file, name)
				}
			}
		}
		for _, m := range function.FindAllStringSubmatch(query, -1) {
			if _, err := os.Stat("../functions/" + m[1]); err != nil {
				t.Errorf("%s asks for the function %s: %v", file, m[1], err)
			}
		}
	}
	for _, event := range []string{"fetch.windowFetched", "fetch.ended", "import.batchImported",
		"host.invocationFailed"} {
		if !used[event] {
			t.Errorf("no query asks for %s", event)
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

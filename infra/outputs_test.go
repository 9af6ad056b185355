package infra

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An administrator who calls an app by hand has to know its host, and the ids of graph/ have to come from somewhere.
func TestOutputs(t *testing.T) {
	each(t, func(t *testing.T, p *prediction) {
		for _, app := range appNames() {
			if file := "apps/" + app + ".bicep"; !strings.Contains(read(t, file),
				"\noutput host string = app.outputs.host\n") {
				t.Errorf("%s does not say its app's host", file)
			}
			raw, err := json.Marshal(p.Outputs[strings.ToUpper(app)+"_HOST"])
			if err != nil {
				t.Fatal(err)
			}
			// What the app's own module says; `import` is a word of Bicep's, so its module is called import_.
			host := regexp.MustCompile(`format\('` + app + `_?-.*\.outputs\.host\.value\]"$`)
			if !slices.Contains(p.apps(), app) {
				host = regexp.MustCompile(`^""$`)
			}
			if !host.Match(raw) {
				t.Errorf("%s_HOST is %s", strings.ToUpper(app), raw)
			}
		}
	})
}

// The runbook's variables, which `azd env get-values` gives, are outputs of the deployment or set by the step itself.
func TestRunbookVariables(t *testing.T) {
	outputs := regexp.MustCompile(`(?m)^output (\w+) `).FindAllStringSubmatch(read(t, "main.bicep"), -1)
	known := []string{"AZURE_SUBSCRIPTION_ID"} // azd's own
	for _, m := range outputs {
		known = append(known, m[1])
	}
	used := 0
	for _, name := range pages(t) {
		text := read(t, name)
		for _, m := range regexp.MustCompile(`(?m)^ {4,}(?:export )?([A-Z_]+)=`).FindAllStringSubmatch(text, -1) {
			known = append(known, m[1])
		}
		for _, m := range regexp.MustCompile(`\$\{?([A-Z][A-Z_]+)`).FindAllStringSubmatch(text, -1) {
			if used++; !slices.Contains(known, m[1]) {
				t.Errorf("%s uses $%s, which nothing sets", name, m[1])
			}
		}
	}
	if used < 10 {
		t.Errorf("only %d variables are used: the test looks in the wrong place", used)
	}
}

// Deliveries are looked for each hour: what does not come is reported after 26 hours. The site is asked once a day.
func TestScheduleOfTheSource(t *testing.T) {
	const own = "0 0 4 * * *"
	for _, tt := range []struct {
		p    *prediction
		want string
	}{
		{predict(t, "default"), "0 30 5 * * *"},
		{predict(t, "delivery-landing"), "0 30 * * * *"},
		{predict(t, "delivery-landing", "param fetchSchedule = '"+own+"'"), own},
	} {
		if got := appSettings(t, tt.p)["fetch"]["FETCH_SCHEDULE"]; got != tt.want {
			t.Errorf("FETCH_SCHEDULE is %q, want %q", got, tt.want)
		}
	}
}

// FETCH_FROM is a setting only if there is one: the first run is a choice of its own.
func TestFetchFrom(t *testing.T) {
	for from, more := range map[string][]string{"": nil, "2026-11-01": later} {
		got, ok := appSettings(t, predict(t, "default", more...))["fetch"]["FETCH_FROM"]
		if ok != (from != "") || got != from {
			t.Errorf("with %q FETCH_FROM is %q, %t", from, got, ok)
		}
	}
	if value, _ := parameters(t)["fetchFrom"].(map[string]any); value["value"] != "${FETCH_FROM=}" {
		t.Errorf("azd passes %v", value)
	}
}

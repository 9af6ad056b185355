package infra

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// armTemplate is what azd reads of a compiled template.
type armTemplate struct {
	Parameters  map[string]armParameter
	Definitions map[string]armParameter
}

type armParameter struct {
	Ref          string `json:"$ref"`
	DefaultValue json.RawMessage
	Nullable     bool
}

var variable = regexp.MustCompile(`\$\{([A-Z_]+)(?:=([^}]*))?\}`)

// askedByAzd returns the parameters that azd asks for, and without a terminal fails at: those that have no value, no
// default, and may not be null. So azd 1.31 decides it. Of a parameter whose type has a name azd takes what the type's
// definition has, and neither the parameter's own default nor that it may be null.
func askedByAzd(template armTemplate, passed map[string]any, env map[string]string) (asked []string) {
	for name, p := range template.Parameters {
		if p.Ref != "" {
			p = template.Definitions[strings.TrimPrefix(p.Ref, "#/definitions/")]
			p.Nullable = false
		}
		value := passed[name]
		if of, ok := value.(map[string]any); ok {
			value = of["value"]
		}
		if text, ok := value.(string); ok {
			unset := false
			text = variable.ReplaceAllStringFunc(text, func(use string) string {
				m := variable.FindStringSubmatch(use)
				if set := env[m[1]]; set != "" {
					return set
				}
				unset = true
				return m[2]
			})
			value = text
			if text == "" && unset {
				value = nil
			}
		}
		if value == nil && p.DefaultValue == nil && !p.Nullable {
			asked = append(asked, name)
		}
	}
	slices.Sort(asked)
	return asked
}

// `azd up` asks for what no one else can know, and without a terminal passes with that as variables.
func TestAzdAsksForFiveParameters(t *testing.T) {
	need(t, "bicep")
	compiled, err := mainTemplate()
	if err != nil {
		t.Fatal(err)
	}
	var template armTemplate
	if err := json.Unmarshal([]byte(compiled.Contents), &template); err != nil {
		t.Fatal(err)
	}
	if len(template.Parameters) < 20 {
		t.Fatalf("%d parameters", len(template.Parameters))
	}
	// The first two are azd's own questions.
	set := map[string]string{"AZURE_ENV_NAME": "contoso", "AZURE_LOCATION": "uksouth",
		"TELEMESSAGE_URL": "https://rest.telemessage.example", "TELEMESSAGE_USERNAME": "archive-contoso",
		"ALERT_EMAIL": "none"}
	want := []string{"alertEmail", "environmentName", "location", "telemessageUrl", "telemessageUsername"}
	if diff := cmp.Diff(want, askedByAzd(template, parameters(t), nil)); diff != "" {
		t.Errorf("asked for in an empty environment, -want +got:\n%s", diff)
	}
	if got := askedByAzd(template, parameters(t), set); len(got) > 0 {
		t.Errorf("asked for with %v: %v", slices.Sorted(maps.Keys(set)), got)
	}
	// With deliveries there is no site. Of their own parameters none is asked for: each has a default.
	set["SOURCE"], set["TELEMESSAGE_URL"], set["TELEMESSAGE_USERNAME"] = "delivery", "none", "none"
	if got := askedByAzd(template, parameters(t), set); len(got) > 0 {
		t.Errorf("asked for with %v: %v", slices.Sorted(maps.Keys(set)), got)
	}
	for name := range template.Parameters {
		ofDeliveries := strings.HasPrefix(name, "delivery") || strings.HasPrefix(name, "vendor") ||
			strings.HasPrefix(name, "landing") && name != "landingDays"
		if _, passed := parameters(t)[name]; ofDeliveries && !passed {
			t.Errorf("no variable sets the parameter %s", name)
		}
	}
	// The rules themselves.
	var small armTemplate
	if err := json.Unmarshal([]byte(`{"definitions": {"key": {"type": "object"}, "size": {"defaultValue": {}}},
		"parameters": {"named": {"$ref": "#/definitions/key", "nullable": true},
		"sized": {"$ref": "#/definitions/size"},
		"inline": {"type": "object", "nullable": true}, "empty": {"type": "string", "defaultValue": ""},
		"passed": {"type": "string"}, "fallback": {"type": "string"},
		"unset": {"type": "string"}}}`), &small); err != nil {
		t.Fatal(err)
	}
	passed := map[string]any{"passed": map[string]any{"value": ""}, "fallback": map[string]any{"value": "${A=b}"},
		"unset": map[string]any{"value": "${A=}"}}
	if diff := cmp.Diff([]string{"named", "unset"}, askedByAzd(small, passed, nil)); diff != "" {
		t.Errorf("asked for, -want +got:\n%s", diff)
	}
}

// The regions are a list that azd shows, and every example is in one of them.
func TestRegions(t *testing.T) {
	need(t, "bicep")
	compiled, err := mainTemplate()
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Parameters struct {
			Location struct {
				AllowedValues []string
				Metadata      struct{ Azd struct{ Type string } }
			}
		}
	}
	if err := json.Unmarshal([]byte(compiled.Contents), &template); err != nil {
		t.Fatal(err)
	}
	location := template.Parameters.Location
	if location.Metadata.Azd.Type != "location" || !slices.Contains(location.AllowedValues, "uksouth") {
		t.Errorf("location is %+v", location)
	}
}

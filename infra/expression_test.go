package infra

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// cloud is what environment() says in a cloud of Azure.
type cloud struct{ name, storage, vault, login string }

var clouds = []cloud{
	{"AzureCloud", "core.windows.net", ".vault.azure.net", "https://login.microsoftonline.com/"},
	{"AzureUSGovernment", "core.usgovcloudapi.net", ".vault.usgovcloudapi.net", "https://login.microsoftonline.us/"},
	{"AzureChinaCloud", "core.chinacloudapi.cn", ".vault.azure.cn", "https://login.chinacloudapi.cn/"},
}

// clientID stands for that of an identity, which only Azure gives.
const clientID = "00000000-0000-4000-8000-00000000c11d"

var (
	reference    = regexp.MustCompile(`reference\('[^']*', '[0-9-]+'\)\.[A-Za-z]+`)
	nested       = regexp.MustCompile(`reference\(resourceId\([^()]*\), '[0-9-]+'\)\.[A-Za-z]+`)
	placeholders = regexp.MustCompile(`\{\d\}`)
)

// resolve returns the value that an expression of the prediction has in a cloud. It knows if, equals, format, replace,
// and what comes from the cloud.
func (c cloud) resolve(t *testing.T, value string) string {
	t.Helper()
	if !strings.HasPrefix(value, "[") || strings.HasPrefix(value, "[[") {
		return value
	}
	text := value[1 : len(value)-1]
	for _, r := range []*regexp.Regexp{nested, reference} {
		text = r.ReplaceAllString(text, "'"+clientID+"'")
	}
	text = strings.NewReplacer("environment().suffixes.storage", "'"+c.storage+"'",
		"environment().suffixes.keyvaultDns", "'"+c.vault+"'",
		"environment().authentication.loginEndpoint", "'"+c.login+"'",
		"environment().name", "'"+c.name+"'").Replace(text)
	e := expression{rest: text}
	result := e.value()
	if e.wrong || e.rest != "" {
		t.Errorf("an expression that the test can't read: %s", value)
	}
	return result
}

// expression is what is left to be read.
type expression struct {
	rest  string
	wrong bool
}

func (e *expression) value() string {
	if text, ok := strings.CutPrefix(e.rest, "'"); ok {
		text, rest, ok := strings.Cut(text, "'")
		e.wrong = e.wrong || !ok
		e.rest = rest
		return text
	}
	name, rest, ok := strings.Cut(e.rest, "(")
	if !ok {
		e.wrong = true
		return ""
	}
	e.rest = rest
	var args []string
	for !e.wrong {
		args = append(args, e.value())
		if rest, ok := strings.CutPrefix(e.rest, ", "); ok {
			e.rest = rest
			continue
		}
		rest, ok := strings.CutPrefix(e.rest, ")")
		e.wrong, e.rest = e.wrong || !ok, rest
		break
	}
	switch {
	case name == "equals" && len(args) == 2:
		return strconv.FormatBool(args[0] == args[1])
	case name == "if" && len(args) == 3 && args[0] == "true":
		return args[1]
	case name == "if" && len(args) == 3:
		return args[2]
	case name == "replace" && len(args) == 3:
		return strings.ReplaceAll(args[0], args[1], args[2])
	case name == "format" && len(args) > 0:
		return placeholders.ReplaceAllStringFunc(args[0], func(at string) string {
			n, _ := strconv.Atoi(at[1:2])
			if n+1 >= len(args) {
				e.wrong = true
				return ""
			}
			return args[n+1]
		})
	}
	e.wrong = true
	return fmt.Sprintf("%s/%d", name, len(args))
}

package infra

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The stand-in for az is this test binary under that name. It answers what the real one would, refuses every command
// and flag that it does not know, and notes its calls.

const fakeDir = "INFRA_FAKE_AZ"

func TestMain(m *testing.M) {
	if dir := os.Getenv(fakeDir); dir != "" {
		os.Exit(fakeTool(dir, filepath.Base(os.Args[0]), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// call is one call of az or azd.
type call struct {
	Tool  string
	Args  []string
	Input string // what came through standard input
}

// commands are those that the scripts may use, with their flags. checks/az-flags holds the same list against the real
// az.
var commands = map[string][]string{
	"account show": {"--subscription", "--query", "--output"},
	"ad app create": {"--display-name", "--sign-in-audience", "--web-redirect-uris", "--enable-id-token-issuance",
		"--app-roles", "--query", "--output"},
	"ad app credential reset":            {"--id", "--append", "--display-name", "--years", "--query", "--output"},
	"ad app federated-credential create": {"--id", "--parameters", "--output"},
	"ad app federated-credential list":   {"--id", "--query", "--output"},
	"ad app federated-credential update": {"--id", "--federated-credential-id", "--parameters", "--output"},
	"ad app list":                        {"--display-name", "--query", "--output"},
	"ad app show":                        {"--id", "--query", "--output"},
	"ad app update": {"--id", "--web-redirect-uris", "--enable-id-token-issuance",
		"--app-roles"},
	"ad sp create": {"--id", "--query", "--output"},
	"ad sp list":   {"--filter", "--query", "--output"},
	"ad sp update": {"--id", "--set"},
	"ad user show": {"--id", "--query", "--output"},
	"deployment group create": {"--name", "--resource-group", "--subscription", "--template-file", "--parameters",
		"--output"},
	"deployment sub create": {"--name", "--location", "--subscription", "--parameters",
		"--query", "--output"},
	"functionapp deployment source config-zip":   {"--name", "--resource-group", "--subscription", "--src", "--output"},
	"functionapp list-flexconsumption-locations": {"--subscription", "--query", "--output"},
	"provider register":                          {"--namespace", "--subscription", "--wait"},
	"rest":                                       {"--resource", "--method", "--url", "--body", "--query", "--output"},
	"cloud show":                                 {"--query", "--output"},
	"storage container immutability-policy show": {"--account-name", "--resource-group", "--subscription",
		"--container-name", "--query", "--output"},
	"storage container immutability-policy lock": {"--account-name", "--resource-group", "--subscription",
		"--container-name", "--if-match", "--output"},
	"storage blob download-batch": {"--account-name", "--auth-mode", "--source", "--destination",
		"--overwrite", "--output"},
	"storage blob list": {"--account-name", "--auth-mode", "--container-name", "--num-results",
		"--query", "--output"},
	"storage entity query": {"--account-name", "--auth-mode", "--table-name", "--num-results",
		"--marker", "--output"},
	"storage blob exists": {"--account-name", "--auth-mode", "--only-show-errors", "--container-name", "--name",
		"--query", "--output"},
	"storage blob show": {"--account-name", "--auth-mode", "--only-show-errors", "--container-name", "--name",
		"--query", "--output"},
	"storage blob download": {"--account-name", "--auth-mode", "--only-show-errors", "--container-name", "--name",
		"--file", "--if-match", "--no-progress", "--output"},
	"storage blob upload": {"--account-name", "--auth-mode", "--only-show-errors", "--container-name", "--name",
		"--file", "--if-match", "--if-none-match", "--overwrite", "--no-progress", "--output"},
	// These are shown to the administrator, for a role that is missing.
	"ad signed-in-user show": {"--query", "--output"},
	"role assignment create": {"--assignee", "--role", "--scope"},
}

// switches are the flags without a value.
var switches = []string{"--wait", "--overwrite", "--only-show-errors", "--no-progress", "--append"}

// lists are the flags with one value or more.
var lists = []string{"--marker", "--web-redirect-uris", "--parameters"}

func fakeTool(dir, tool string, args []string) int {
	c := call{Tool: tool, Args: args}
	if slices.Contains(args, "@-") {
		raw, err := io.ReadAll(os.Stdin)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 99
		}
		c.Input = string(raw)
	}
	raw, err := json.Marshal(c)
	if err == nil {
		err = appendLine(filepath.Join(dir, "calls"), string(raw))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	if tool == "azd" {
		if len(args) == 4 && args[0] == "env" && args[1] == "set" {
			return 0
		}
		if len(args) == 3 && args[0] == "env" && args[1] == "get-value" {
			value, ok := os.LookupEnv("FAKE_AZD_" + args[2])
			if !ok {
				fmt.Printf("ERROR: key '%s' not found in the environment values\n", args[2])
				return 1
			}
			fmt.Println(value)
			return 0
		}
		fmt.Fprintln(os.Stderr, "azd: unknown:", args)
		return 2
	}
	out, code := fakeAz(dir, args, c.Input)
	fmt.Print(out)
	return code
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

// split takes a command line apart, as far as az would understand it.
func split(args []string) (command string, flags map[string]string, err error) {
	i := 0
	for i < len(args) && !strings.HasPrefix(args[i], "-") {
		i++
	}
	command, flags = strings.Join(args[:i], " "), map[string]string{}
	known, ok := commands[command]
	if !ok {
		return command, nil, fmt.Errorf("az: %q is not a command", command)
	}
	for i < len(args) {
		name := args[i]
		if !slices.Contains(known, name) {
			return command, nil, fmt.Errorf("az %s: unrecognized argument %s", command, name)
		}
		i++
		if slices.Contains(switches, name) {
			flags[name] = "true"
			continue
		}
		if i == len(args) {
			return command, nil, fmt.Errorf("az %s: %s expects a value", command, name)
		}
		flags[name] = args[i]
		if strings.HasPrefix(args[i], "@") && args[i] != "@-" {
			return command, nil, fmt.Errorf("az %s: %s: az would read the file %s instead", command, name, args[i][1:])
		}
		i++
		for slices.Contains(lists, name) && i < len(args) && !strings.HasPrefix(args[i], "-") { // a list
			flags[name] += " " + args[i]
			i++
		}
	}
	return command, flags, nil
}

var restRoute = regexp.MustCompile(
	`^/subscriptions/s1/resourceGroups/rg1/providers/(.*)\?api-version=[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// fakeAz answers. What is to go wrong stands in the environment.
func fakeAz(dir string, args []string, input string) (out string, code int) {
	command, flags, err := split(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return "", 2
	}
	switch command {
	case "account show":
		tenant := cmp.Or(os.Getenv("FAKE_TENANT"), testTenant) + "\n"
		if flags["--subscription"] != "" {
			tenant = testTenant + "\n"
		}
		return map[string]string{"id": "s1\n", "tenantId": tenant}[flags["--query"]], setting("FAKE_SIGNED_OUT")
	case "functionapp list-flexconsumption-locations":
		return cmp.Or(os.Getenv("FAKE_REGIONS"), "East US\nUK South\nusgovvirginia\n"), setting("FAKE_OLD_AZ")
	case "deployment sub create":
		return fakeDeployment(flags)
	case "functionapp deployment source config-zip":
		raw, err := os.ReadFile(flags["--src"])
		if err != nil || flags["--resource-group"] != "rg1" || string(raw) != "new" {
			fmt.Fprintf(os.Stderr, "az functionapp deployment source config-zip: %v: %v\n", flags, err)
			return "", 1
		}
		return "", 0
	case "provider register":
		return "", 0
	case "cloud show":
		if flags["--query"] == "name" {
			return cmp.Or(os.Getenv("FAKE_CLOUD"), "AzureCloud") + "\n", 0
		}
		return "https://graph.microsoft.us/\n", 0
	case "deployment group create":
		return fakeSignIn(flags)
	case "storage container immutability-policy show":
		locked := count(dir, "locked-"+flags["--container-name"], 0) > 0 ||
			slices.Contains(strings.Fields(os.Getenv("FAKE_LOCKED")), flags["--container-name"])
		return map[string]string{"immutabilityPeriodSinceCreationInDays": "1827\n", "etag": "\"e1\"\n",
			"state": map[bool]string{true: "Locked\n", false: "Unlocked\n"}[locked]}[flags["--query"]], 0
	case "storage container immutability-policy lock":
		if flags["--if-match"] != `"e1"` || os.Getenv("FAKE_LOCK_FAILS") == flags["--container-name"] {
			return "", 1
		}
		count(dir, "locked-"+flags["--container-name"], 1)
		return "", 0
	case "storage blob download-batch":
		return "", download(flags["--source"], flags["--destination"], flags["--overwrite"] == "true")
	case "storage blob list":
		return strconv.Itoa(len(blobs[flags["--container-name"]])+setting("FAKE_MORE_BLOBS")) + "\n", 0
	case "storage entity query":
		return fakeLedger(flags)
	case "storage blob exists", "storage blob show", "storage blob download", "storage blob upload":
		return fakeBlob(dir, strings.TrimPrefix(command, "storage blob "), flags)
	case "rest":
		return fakeRest(dir, flags, input)
	}
	if entra, ok := strings.CutPrefix(command, "ad "); ok {
		return fakeEntra(dir, entra, flags)
	}
	return "", 2
}

var vaultQuery = regexp.MustCompile(`^length\(value\[\?name=='([a-z0-9-]+)'\]\)$`)

func fakeRest(dir string, flags map[string]string, input string) (string, int) {
	method, url := flags["--method"], flags["--url"]
	if _, path, ok := strings.Cut(url, "/v1.0/servicePrincipals"); ok {
		if path, ok := strings.CutPrefix(path, "/sp1/appRoleAssignedTo"); ok {
			return fakePortalRoles(flags, path)
		}
		return fakeGraph(flags, path)
	}
	m := restRoute.FindStringSubmatch(url)
	if m == nil || flags["--body"] == "@-" && !json.Valid([]byte(input)) {
		fmt.Fprintf(os.Stderr, "az rest: %s: not of the form that Azure takes\n", url)
		return "", 1
	}
	switch method + " " + m[1] {
	case "get Microsoft.KeyVault/vaults/kv1/secrets", "get Microsoft.KeyVault/vaults/kv2/secrets":
		of := vaultQuery.FindStringSubmatch(flags["--query"])
		switch {
		case of == nil:
			return "", 1
		case of[1] == "secret1":
			return strconv.Itoa(setting("FAKE_HAS_SECRET")) + "\n", setting("FAKE_VAULT_AWAY")
		case slices.Contains(strings.Fields(os.Getenv("FAKE_SECRETS")), of[1]):
			return "1\n", setting("FAKE_VAULT_AWAY")
		}
		return "0\n", setting("FAKE_VAULT_AWAY")
	case "put Microsoft.KeyVault/vaults/kv1/secrets/secret1",
		"put Microsoft.KeyVault/vaults/kv1/secrets/delivery-sftp-key",
		"put Microsoft.KeyVault/vaults/kv1/secrets/delivery-sftp-key-passphrase",
		"put Microsoft.KeyVault/vaults/kv1/secrets/delivery-sftp-password",
		"put Microsoft.KeyVault/vaults/kv2/secrets/portal-client-secret",
		"post Microsoft.Web/sites/portal1/config/configreferences/appsettings/refresh":
		return "", setting("FAKE_VAULT_READ_ONLY")
	case "post Microsoft.Web/sites/import1/host/default/listkeys":
		switch n := count(dir, "listkeys", 1); {
		case n == 1:
			return "", 1 // the app does not answer yet
		case n <= setting("FAKE_KEY_AFTER"):
			return "None\n", 0
		}
		return "k/e+y==\n", 0
	case "put Microsoft.EventGrid/systemTopics/topic1/eventSubscriptions/import":
		if count(dir, "put", 1) <= setting("FAKE_PUT_FAILS") {
			return "", 1
		}
		return "", 0
	case "get Microsoft.EventGrid/systemTopics/topic1/eventSubscriptions/import":
		if flags["--query"] != "properties.provisioningState" {
			return cmp.Or(os.Getenv("FAKE_WHERE"), "https://import1.host.example/runtime/webhooks/blobs") + "\n", 0
		}
		switch count(dir, "state", 1) {
		case 1:
			return "Creating\n", 0
		case 2:
			return "", 1 // a fault that passes
		}
		if state := os.Getenv("FAKE_STATE"); state != "" {
			return state + "\n", 0
		}
		return "Succeeded\n", 0
	}
	fmt.Fprintf(os.Stderr, "az rest: %s %s is unknown to the stand-in\n", method, url)
	return "", 1
}

// setting is a number of the environment; 0 if it is not set.
func setting(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

// count adds to a number that is kept from call to call.
func count(dir, name string, add int) int {
	file := filepath.Join(dir, name)
	raw, _ := os.ReadFile(file) // not there: 0
	n, _ := strconv.Atoi(string(raw))
	n += add
	_ = os.WriteFile(file, []byte(strconv.Itoa(n)), 0o600)
	return n
}

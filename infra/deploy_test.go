package infra

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deployed are the outputs of a deployment, with the names in a case that Azure returns.
var deployed = [][2]string{{"azurE_RESOURCE_GROUP", "rg1"}, {"archivE_ACCOUNT", "archive1"},
	{"loG_WORKSPACE", "log1"}, {"evenT_TOPIC", "topic1"},
	{"egresS_ADDRESS", ""}, {"fetcH_APP", "fetch1"}, {"fetcH_HOST", "fetch1.host.example"},
	{"fetcH_VAULT", "kv1"}, {"fetcH_SECRET", "secret1"}, {"fetcH_SECRETS", "telemessage-password"},
	{"landinG_ACCOUNT", ""}, {"landinG_HOST", ""}, {"landinG_USER", ""}, {"imporT_APP", "import1"},
	{"imporT_HOST", "import1.host.example"}, {"imporT_CLIENT_ID", "00000000-0000-4000-8000-00000000c11d"},
	{"imporT_PRINCIPAL_ID", "p1"}, {"portaL_APP", ""}, {"portaL_HOST", ""}, {"portaL_PRINCIPAL_ID", ""},
	{"portaL_VAULT", ""}}

// ofPortal are the outputs where there is a portal.
var ofPortal = map[string]string{"portaL_APP": "portal1", "portaL_HOST": "portal1.host.example",
	"portaL_PRINCIPAL_ID": "p2", "portaL_VAULT": "kv2"}

// fakeDeployment takes a parameters file that names its template, and returns the outputs as the query asks for them.
func fakeDeployment(flags map[string]string) (string, int) {
	raw, err := os.ReadFile(flags["--parameters"])
	if err != nil || !strings.Contains(string(raw), "\nusing '../main.bicep'\n") || flags["--subscription"] != "s1" ||
		flags["--query"] != "[keys(properties.outputs), values(properties.outputs)[].value]" ||
		!strings.Contains(string(raw), "'"+flags["--location"]+"'") {
		fmt.Fprintf(os.Stderr, "az deployment sub create: %v: %v\n", flags, err)
		return "", 1
	}
	var names, texts []string
	for _, output := range deployed {
		switch {
		case output[0] == "fetcH_SECRETS":
			output[1] = secretsOf(string(raw))
		case strings.HasPrefix(output[0], "portaL_") && strings.Contains(string(raw), "\nparam portal = true\n"):
			output[1] = ofPortal[output[0]]
		}
		names, texts = append(names, output[0]), append(texts, output[1])
	}
	return strings.Join(names, "\t") + "\n" + strings.Join(texts, "\t") + "\n", setting("FAKE_DEPLOYMENT_FAILS")
}

// secretsOf returns the names of the secrets that fetch reads, for the parameters of the examples.
func secretsOf(parameters string) string {
	switch {
	case !strings.Contains(parameters, "\nparam source = 'delivery'\n"):
		return "telemessage-password"
	case strings.Contains(parameters, "\nparam deliverySftpSignIn = 'key,password'\n"):
		return "delivery-sftp-key,delivery-sftp-password"
	}
	return ""
}

// deploymentRoot is a repository with the scripts, a stand-in for make, and the examples of parameters.
func deploymentRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"deploy", "password", "sftp-secret", "portal-app", "environment.sh",
		"modules/sign-in.bicep", "hooks/preprovision.sh",
		"hooks/prepackage.sh", "hooks/postprovision.sh", "hooks/postdeploy.sh"} {
		file := filepath.Join(root, "infra", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700),
			os.WriteFile(file, []byte(read(t, name)), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	makefile := "package:\n\tmkdir -p build\n\tprintf new >build/fetch.zip\n\tprintf new >build/import.zip\n" +
		"\tprintf new >build/portal.zip\n" +
		"\techo \"" + sha("new") + "  fetch.zip\" >build/SHA256SUMS\n"
	if err := errors.Join(os.CopyFS(filepath.Join(root, "infra/parameters"), os.DirFS("parameters")),
		os.WriteFile(filepath.Join(root, "Makefile"), []byte(makefile), 0o600)); err != nil {
		t.Fatal(err)
	}
	return root
}

// deployIn runs infra/deploy in a folder with nothing of azd's in the environment, and without a terminal.
func deployIn(t *testing.T, root, parameters string, env ...string) ran {
	t.Helper()
	cmd := exec.Command("bash", "-c", `exec "$@" <&-`, "bash", "infra/deploy", parameters)
	cmd.Dir = root
	for _, name := range []string{"AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "ARCHIVE_ACCOUNT", "EVENT_TOPIC",
		"FETCH_APP", "FETCH_VAULT", "FETCH_SECRET", "IMPORT_APP", "IMPORT_HOST", "IMPORT_PRINCIPAL_ID", "PORTAL_APP"} {
		env = append(env, name+"=")
	}
	return runScript(t, cmd, env)
}

// Without azd: Bicep and az take the same steps, in the same order, with every example of parameters.
func TestDeployWithoutAzd(t *testing.T) {
	need(t, "make")
	root := deploymentRoot(t)
	for _, environment := range environments {
		r := deployIn(t, root, "infra/parameters/"+environment+".bicepparam", "TELEMESSAGE_PASSWORD=secret")
		r.good(t)
		at := -1
		steps := [][]string{{"account show"}, {"list-flexconsumption-locations"},
			{"deployment sub create", "/infra/parameters/" + environment + ".bicepparam"}}
		switch secrets := secretsOf(read(t, "parameters/"+environment+".bicepparam")); secrets {
		case "telemessage-password":
			steps = append(steps, []string{"--method put", "/vaults/kv1/secrets/secret1"})
		case "delivery-sftp-key,delivery-sftp-password":
			steps = append(steps, []string{"--method put", "/vaults/kv1/secrets/delivery-sftp-key"})
			if !strings.Contains(r.out, "The password at the SFTP server: not set; run infra/sftp-secret password") {
				t.Errorf("%s: it does not say that the password is missing:\n%s", environment, r.out)
			}
		}
		if len(r.with("/vaults/kv1/")) > 0 != (len(steps) > 3) {
			t.Errorf("%s: %v", environment, r.with("/vaults/kv1/"))
		}
		for _, app := range (&prediction{environment: environment}).apps() {
			steps = append(steps, []string{"config-zip", "--name " + app + "1 ", "/build/" + app + ".zip"})
		}
		for _, step := range append(steps, []string{"--method put", "eventSubscriptions/import"}) {
			next := slices.IndexFunc(r.calls, func(c call) bool {
				line := strings.Join(c.Args, " ")
				return !slices.ContainsFunc(step, func(word string) bool { return !strings.Contains(line, word) })
			})
			if next <= at {
				t.Errorf("%s: %q is missing, or too early: %v", environment, step, r.calls)
			}
			at = next
		}
		private := strings.Contains(read(t, "parameters/"+environment+".bicepparam"), "privateNetwork = true")
		if got := len(r.with("provider register")); got != map[bool]int{true: 1}[private] {
			t.Errorf("%s: %d providers are registered", environment, got)
		}
		if slices.ContainsFunc(r.calls, func(c call) bool { return c.Tool == "azd" }) {
			t.Errorf("%s: azd is called: %v", environment, r.calls)
		}
	}

	// The scripts find the names of the resources in the file that is written beside the parameters.
	file := filepath.Join(root, "infra/parameters/default.env")
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)="(.*)"$`).FindAllStringSubmatch(read(t, file), -1) {
		got[m[1]] = m[2]
	}
	want := map[string]string{"AZURE_SUBSCRIPTION_ID": "s1"}
	outputs := regexp.MustCompile(`(?m)^output (\w+) `).FindAllStringSubmatch(read(t, "main.bicep"), -1)
	for i, m := range outputs {
		want[m[1]] = deployed[i][1]
	}
	if diff := cmp.Diff(want, got); diff != "" || len(outputs) != len(deployed) {
		t.Errorf("%s, -want +got:\n%s", file, diff)
	}
	cmd := exec.Command("bash", "-c", `. infra/parameters/default.env && infra/password if-missing <&-`)
	cmd.Dir = root
	r := runScript(t, cmd, []string{"AZURE_RESOURCE_GROUP=", "FETCH_VAULT=", "FAKE_HAS_SECRET=1"})
	r.good(t)
	if len(r.with("/resourceGroups/rg1/", "/vaults/kv1/")) != 1 {
		t.Errorf("with the names loaded: %v", r.calls)
	}
}

func TestDeployStops(t *testing.T) {
	need(t, "make")
	root := deploymentRoot(t)
	const file = "infra/parameters/default.bicepparam"
	deployIn(t, root, "infra/main.parameters.json").bad(t, "is no .bicepparam file")
	deployIn(t, root, "infra/parameters/none.bicepparam").bad(t, "does not exist")
	deployIn(t, root, file, "FAKE_REGIONS=West Europe").bad(t, "does not offer Flex Consumption")
	r := deployIn(t, root, file, "FAKE_DEPLOYMENT_FAILS=1")
	if r.err == nil || len(r.with("config-zip")) != 0 {
		t.Errorf("a deployment that fails: %v, %v", r.err, r.calls)
	}
	// Without a password and a terminal the deployment goes on.
	r = deployIn(t, root, file)
	r.good(t)
	if !strings.Contains(r.out, "not set; run infra/password") || len(r.with("eventSubscriptions/import")) == 0 {
		t.Errorf("it says\n%s", r.out)
	}
	// A private network that can't be read is not taken for none.
	for _, line := range []string{"param privateNetwork = true // ours", "  param privateNetwork = true",
		"param privateNetwork=true", "param  privateNetwork = bool(readEnvironmentVariable('P'))",
		"param privateNetwork = true\r", "param privateNetwork = true\nparam privateNetwork = false"} {
		changed := regexp.MustCompile(`(?m)^param privateNetwork .*\n`).ReplaceAllString(
			read(t, "parameters/default.bicepparam"), "")
		if err := os.WriteFile(filepath.Join(root, file), []byte(changed+line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := deployIn(t, root, file)
		r.bad(t, "has a line of privateNetwork that this script can't read: write it as one line")
		if len(r.calls) != 0 {
			t.Errorf("%q: %v", line, r.calls)
		}
	}
	example := read(t, "parameters/default.bicepparam")
	if err := os.WriteFile(filepath.Join(root, file), []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	deployIn(t, root, file, "FAKE_SIGNED_OUT=1").bad(t, "deploy: az is not signed in: run az login")
	text := strings.Replace(example, "'uksouth'", "readEnvironmentVariable('L')", 1)
	if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	deployIn(t, root, file).bad(t, "as plain values")
}

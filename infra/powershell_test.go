package infra

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// PowerShell is not here, and neither is PSScriptAnalyzer. These tests read the text of the scripts: they hold what can
// be seen there of the analyzer's default rules, and that the scripts are the same as those for bash.

// powershell returns the scripts, by name, without their comments.
func powershell(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".ps1" {
			all[filepath.ToSlash(name)] = read(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("only %d scripts found", len(all))
	}
	return all
}

var (
	helpText    = regexp.MustCompile(`(?s)<#.*?#>`)
	lineComment = regexp.MustCompile(`(?m)(^|\s)#[^\n]*`)
	quoted      = regexp.MustCompile(`'[^'\n]*'|"[^"\n]*"`)
	psFunction  = regexp.MustCompile(`(?ms)^function ([A-Za-z0-9-]+) \{\n(.*?)^\}\n`)
	// approvedVerbs are those of Get-Verb that the scripts use.
	approvedVerbs = strings.Fields("ConvertTo Exit Format Get Invoke Open Read Send Test Wait Write")
	// psAliases, where a command may begin.
	psAliases = regexp.MustCompile(`(?m)(?:^\s*|[|;{(=]\s*)(%|\?|cat|cd|clc|clear|cls|compare|copy|cp|` +
		`curl|del|diff|dir|echo|erase|fc|fl|foreach-object \{|ft|gc|gci|gcm|gi|gm|gp|group|gv|history|iex|ii|irm|iwr|` +
		`kill|ls|man|md|measure|mi|mount|move|mv|ni|nv|oh|popd|ps|pushd|pwd|rd|ren|ri|rm|rmdir|sal|saps|sc|select|` +
		`set|si|sl|sleep|sls|sort|sp|start|sv|tee|type|wget|where|write)\s`)
)

// psCode returns a script without its comments.
func psCode(text string) string {
	return lineComment.ReplaceAllString(helpText.ReplaceAllString(text, ""), "")
}

func TestPowerShellRules(t *testing.T) {
	for name, text := range powershell(t) {
		code := psCode(text)
		for _, want := range []string{"\n.SYNOPSIS\n", "\n.DESCRIPTION\n", "\nSet-StrictMode -Version Latest\n",
			"\n$ErrorActionPreference = 'Stop'\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if name != "control.ps1" &&
			(!strings.Contains(text, "\n.EXAMPLE\n") || !strings.Contains(code, "\n[CmdletBinding(")) {
			t.Errorf("%s: a script has an example and is a cmdlet", name)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }) {
			t.Errorf("%s: without a byte order mark there are ASCII letters only, and no tabs "+
				"(PSUseBOMForUnicodeEncodedFile)", name)
		}
		for rule, bad := range map[string]string{
			"PSAvoidTrailingWhitespace":                      `(?m)[ \t]+$`,
			"PSAvoidUsingWriteHost":                          `(?i)write-host`,
			"PSAvoidUsingInvokeExpression":                   `(?i)invoke-expression|\biex\b`,
			"PSAvoidGlobalVars":                              `(?i)\$global:`,
			"PSAvoidUsingConvertToSecureStringWithPlainText": `(?i)-AsPlainText`,
			"PSAvoidUsingPlainTextForPassword":               `(?i)\[string\]\$\w*(password|secret|credential)`,
			"PSPossibleIncorrectComparisonWithNull":          `(?i)-(eq|ne|ceq|cne) \$null`,
			"PSAvoidUsingEmptyCatchBlock":                    `(?is)catch\s*\{\s*\}`,
			"PSAvoidDefaultValueSwitchParameter":             `(?i)\[switch\]\$\w+ *=`,
			"PSAvoidSemicolonsAsLineTerminators":             `(?m);$`,
			"PSAvoidAssignmentToAutomaticVariable": `(?im)\$(args|error|event|foreach|home|host|input|` +
				`matches|myinvocation|pid|profile|psboundparameters|pscmdlet|psitem|psscriptroot|pwd|sender|` +
				`stacktrace|switch|this|true|false|null|_) *=[^=]`,
			"PSAvoidUsingComputerNameHardcoded, PSAvoidUsingWMICmdlet": `(?i)-ComputerName|-WmiObject`,
		} {
			where := code
			if rule == "PSAvoidTrailingWhitespace" {
				where = text
			}
			if found := regexp.MustCompile(bad).FindString(where); found != "" {
				t.Errorf("%s: %q (%s)", name, found, rule)
			}
		}
		if found := psAliases.FindString(quoted.ReplaceAllString(code, "''")); found != "" {
			t.Errorf("%s: %q is an alias (PSAvoidUsingCmdletAliases)", name, strings.TrimSpace(found))
		}
		if strings.Contains(code, "SupportsShouldProcess") != strings.Contains(code, ".ShouldProcess(") {
			t.Errorf("%s: SupportsShouldProcess and ShouldProcess belong together (PSShouldProcess)", name)
		}
		// Numbers and dates are of the form of no country.
		if strings.Contains(code, ".ToString(\"") && !strings.Contains(code, "InvariantCulture") {
			t.Errorf("%s: a time in the form of the reader's country", name)
		}
	}
}

func TestPowerShellFunctions(t *testing.T) {
	for name, text := range powershell(t) {
		functions := psFunction.FindAllStringSubmatch(text, -1)
		if n := len(regexp.MustCompile(`(?m)^ *function `).FindAllString(text, -1)); n != len(functions) {
			t.Errorf("%s: %d of %d functions are read", name, len(functions), n)
		}
		for _, f := range functions {
			verb, noun, _ := strings.Cut(f[1], "-")
			if !slices.Contains(approvedVerbs, verb) {
				t.Errorf("%s: %s: the verb is not approved, or not in the list (PSUseApprovedVerbs)", name, f[1])
			}
			if noun == "" || strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss") {
				t.Errorf("%s: %s: a noun is one (PSUseSingularNouns)", name, f[1])
			}
			if !strings.HasPrefix(f[2], "    [CmdletBinding()]\n") {
				t.Errorf("%s: %s is no cmdlet", name, f[1])
			}
			if !strings.Contains(text, "\n# "+f[1]+" ") {
				t.Errorf("%s: %s has no comment", name, f[1])
			}
			// PSReviewUnusedParameter
			params, body, _ := strings.Cut(f[2], "\n    )\n")
			for _, p := range regexp.MustCompile(`\]\$(\w+)(?: =|,|\n|\)|$)`).FindAllStringSubmatch(params, -1) {
				if !regexp.MustCompile(`(?i)\$`+p[1]+`\b`).MatchString(body) && body != "" {
					t.Errorf("%s: %s does not use its parameter %s", name, f[1], p[1])
				}
			}
		}
		for _, called := range regexp.MustCompile(`[a-zA-Z]+-[A-Za-z]+`).FindAllString(psCode(text), -1) {
			if regexp.MustCompile(`^(Exit|Send|Read|Test|Open)-`).MatchString(called) && !strings.Contains(
				read(t, "control.ps1")+text, "function "+called+" ") && called != "Test-ServicePrincipalAuthorization" {
				t.Errorf("%s calls %s, which is not there", name, called)
			}
		}
	}
}

// What the scripts ask of az is what checks/az-commands holds against the real one.
func TestPowerShellCommands(t *testing.T) {
	call := regexp.MustCompile("(?m)(?:^|[|(=]) *az ([a-z][a-z-]*(?: [a-z][a-z-]*)*) ((?:[^\n|)`]|`\n)*)")
	found := 0
	for name, text := range powershell(t) {
		code := psCode(text)
		calls := call.FindAllStringSubmatch(code, -1)
		if inner := regexp.MustCompile(`\(az [^()]*\)`); inner.MatchString(code) { // in an argument
			calls = nil
			for _, c := range inner.FindAllString(code, -1) {
				calls = append(calls, call.FindAllStringSubmatch(c, -1)...)
			}
			calls = append(calls, call.FindAllStringSubmatch(inner.ReplaceAllString(code, "x"), -1)...)
		}
		for _, m := range calls {
			found++
			flags, known := commands[m[1]]
			if !known {
				t.Errorf("%s calls az %s, which the stand-in does not know", name, m[1])
			}
			for _, flag := range regexp.MustCompile(`(?:^|\s)--[a-z-]+`).FindAllString(m[2], -1) {
				if !slices.Contains(flags, strings.TrimSpace(flag)) {
					t.Errorf("%s: az %s has no %s", name, m[1], strings.TrimSpace(flag))
				}
			}
		}
		// The quotes of an argument are lost in the shell of Windows, and its parentheses end a block of az.cmd.
		for _, flag := range []string{"--if-match", "--url", "--body"} {
			for _, m := range regexp.MustCompile(`'?`+flag+`'?,? (\S+)`).FindAllStringSubmatch(psCode(text), -1) {
				if !strings.HasPrefix(m[1], `"@`) {
					t.Errorf("%s: the value of %s, %s, has to come from a file", name, flag, m[1])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d calls of az were found", found)
	}
}

// Each script shows its help with -h, and those that take words with help, before anything else is done.
func TestPowerShellHelp(t *testing.T) {
	for name, text := range powershell(t) {
		if name == "control.ps1" {
			continue
		}
		help := "    Get-Help -Name $PSCommandPath -Detailed\n    exit 0\n}\n"
		before, _, found := strings.Cut(text, help)
		if !found || !strings.Contains(text, "[Alias('h')][switch]$Help\n") || strings.Contains(psCode(before), "az ") {
			t.Errorf("%s does not show its help first", name)
		}
		if !strings.Contains(before, "\nif ($Help") || name != "graph/exchange.ps1" &&
			!strings.Contains(before, "\nif ($Help -or @('help', '--help') -ccontains $") {
			t.Errorf("%s: the word help is not known", name)
		}
	}
}

// The scripts tell failures of az apart by the same words.
func TestPowerShellTellsFailuresApart(t *testing.T) {
	_, bash, _ := strings.Cut(read(t, "control.sh"), "\nexplain() {")
	bash, _, _ = strings.Cut(bash, "\n}\n")
	_, ps, _ := strings.Cut(read(t, "control.ps1"), "switch -Regex -CaseSensitive")
	ps = strings.ReplaceAll(ps, `\.`, ".")
	words := regexp.MustCompile(`\*("[^"]*"|[A-Za-z_]+)\*(?: \||\))`).FindAllStringSubmatch(bash, -1)
	if len(words) < 25 {
		t.Errorf("only %d words were found", len(words))
	}
	for _, m := range words {
		if !strings.Contains(ps, strings.Trim(m[1], `"`)) {
			t.Errorf("control.ps1 does not know %s", m[1])
		}
	}
}

// The scripts have the same words as those for bash.
func TestPowerShellSaysTheSame(t *testing.T) {
	both := map[[2]string][]string{
		{"command", "command.ps1"}: {"is neither a date like 2026-11-01 nor a time like 2026-11-01T09:00:00Z",
			"TO has to be later than FROM, because it is",
			"RUN-OR-BATCH is neither a run like 2026/11/23/<run> nor a batch like",
			"MAILBOX is not the address of a mailbox",
			"lines are those of a batch like 2026/11/23/<run>/00001.ndjson, not of a run",
			"NUMBERS is not a list of lines like 3,7, from 1 to 10000, at most 1000 of them",
			"REASON is not a word like noMailbox", "[1-9][0-9]{0,4}(,[1-9][0-9]{0,4}){0,999}",
			"COMMAND is not the name of a command, like fetch/20261129T131500Z-0123456789abcdef",
			"It goes on; infra/command", "shows it.",
			"has not taken it up: does it run? Look at it in the Azure portal.", "has no ETag, and was left alone",
			"is damaged, or of a later version, and was left alone: pause and start",
			"is changed again and again; nothing was written",
			"fetch: paused. It stops before its next page, within a minute. What is due is fetched after infra/command",
			"import: paused. It stops within two minutes. Batches wait, and are imported after infra/command",
			"fetch: started. Its next daily run fetches what is due; infra/command",
			"import: started. What waits is imported by the next sweep, within ten minutes.", "there is no command",
			"the command cannot be looked for", "settings/connector.json cannot be read",
			"settings/connector.json was not written",
			"settings/connector.json was perhaps changed meanwhile, and is read again",
			"{0,127}(/([0-9]{5}|a[0-9]{6})(-z{0,3}[b-z])?", `((fetch|import)/)?[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8,32}`,
			"Exit codes: 0 it is done, and every link of a check is ok;"},
		{"check", "check.ps1"}: {"MAILBOX has to be the address of a mailbox for a test message, and the only word",
			"The apps take them up within ten minutes.",
			"no answer within 20 minutes", "look in the Azure portal whether the app runs; infra/command",
			"shows a later answer", "Every link works. Next: infra/command",
			"if import has not been started yet.",
			"Every link works but for the events, of which none has come yet. Next: infra/command", "run infra/check",
			"Next: do what the table says, and run infra/check",
			"Exit codes: 0 every link is ok; 1 one of them is not;"},
		{"control.sh", "control.ps1"}: {"A person who may assign roles",
			"because az is not signed in, or no longer, or to another tenant: run az login, in the cloud",
			"because you do not have the role", "does not admit this machine: with a",
			"from a machine in that network, or add your address to operators (infra/deploying.md) and deploy",
			"has no container", "correct ARCHIVE_ACCOUNT, which has to be the archive's",
			"because this machine does not reach the sign-in of Azure: check its network, DNS and proxy",
			"because DNS does not know the storage account", "because this machine does not reach the storage account",
			"; az says: $last",
			"(Owner, User Access Administrator) runs this, for others than themselves with their object id:",
			"It takes effect within ten minutes.",
			"is not of the form of one", "the command was not written"},
		{"environment.sh", "control.ps1"}: {"not set:",
			"run azd env select or azd env refresh, or, without azd, export each",
			"is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli"},
		{"graph/app-roles", "graph/app-roles.ps1"}: {
			"show | grant ROLE | revoke ROLE, with User.Read.All or Mail.ReadWrite",
			"IMPORT_PRINCIPAL_ID is not set: export the id that the person who deployed passes on, who gets it by",
			"Graph refuses: az's answer is above; run az login --allow-no-subscriptions, as a Privileged Role",
			": granted", ": not granted",
			": not granted any more; a token that was given out before is good for a day at most"},
		{"portal-app", "portal-app.ps1"}: {adminRole, readerRole,
			"show | grant ROLE PERSON | revoke ROLE PERSON | renew-secret, with",
			"PERSON is neither a name like jane@contoso.com nor an object id",
			"az can't see the subscription: az login",
			"az is signed in to another tenant than that of the subscription: az login --tenant",
			"is not a client id", "PORTAL_CLIENT_ID is not set: run infra/portal-app", "O2 archive portal",
			"/.auth/login/aad/callback", "AzureADMyOrg", "sign-in by the managed identity is not known to work",
			"already: if it is this deployment's, set PORTAL_CLIENT_ID", "if not, delete it",
			"the next deployment closes the page", "appRoleAssignmentRequired=true", "api://AzureADTokenExchange",
			"Sets the archive up, gives commands, and sees numbers and addresses.", "portal-client-secret",
			"modules/sign-in.bicep", "the app has no vault for it yet: run azd provision",
			"Next: infra/portal-app grant",
			"it takes an Application Administrator of the tenant, or an Application Developer, signed in by az login"},
	}
	for pair, phrases := range both {
		for _, phrase := range phrases {
			for _, name := range pair {
				// A comment may be broken anywhere.
				text := strings.Join(strings.Fields(strings.ReplaceAll(read(t, name), "\n# ", " ")), " ")
				if !strings.Contains(text, phrase) {
					t.Errorf("%s does not say %q", name, phrase)
				}
			}
		}
	}
	usage := regexp.MustCompile(`(?m)^\$?usage ?= ?'(.*)'$`)
	bash, ps := usage.FindStringSubmatch(read(t, "command")), usage.FindStringSubmatch(read(t, "command.ps1"))
	if bash == nil || ps == nil || bash[1] != ps[1] || !strings.Contains(read(t, "command.ps1"), "\n"+ps[1]+"\n") {
		t.Errorf("the usage is %q in one and %q in the other, or not in the help", bash, ps)
	}
}

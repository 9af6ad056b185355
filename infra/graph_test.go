package infra

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeGraph is Microsoft Graph as the stand-in for az reaches it. FAKE_GRANTED names the roles that the app has. Each
// grant has an id of its own.
func fakeGraph(flags map[string]string, path string) (string, int) {
	method, query := flags["--method"], flags["--query"]
	role := ""
	for _, known := range []string{"User.Read.All", "Mail.ReadWrite"} {
		if strings.Contains(query, known) {
			role = known
		}
	}
	// az has no token for an address outside of its cloud, unless it is told whose.
	base, _, _ := strings.Cut(flags["--url"], "/v1.0/")
	if flags["--resource"] != base {
		fmt.Fprintf(os.Stderr, "az rest: a token for %q is none for %s\n", flags["--resource"], base)
		return "", 1
	}
	granted := strings.Fields(os.Getenv("FAKE_GRANTED"))
	switch {
	case method == "get" && path == "(appId='00000003-0000-0000-c000-000000000000')" && query == "id":
		return "graph-id\n", 0
	case method == "get" && path == "(appId='00000003-0000-0000-c000-000000000000')" &&
		query == "appRoles[?value=='"+role+"'].id | [0]":
		return "id-of-" + role + "\n", 0
	case method == "get" && path == "/p1/appRoleAssignments" && query == "value[?appRoleId=='id-of-"+role+"'].id | [0]":
		if slices.Contains(granted, role) {
			return "grant-of-" + role + "\n", 0
		}
		return "", 0 // as az writes null in the format tsv
	case method == "post" && path == "/p1/appRoleAssignments" && json.Valid([]byte(flags["--body"])):
		return "", 0
	case method == "delete" && slices.Contains(granted, strings.TrimPrefix(path, "/p1/appRoleAssignments/grant-of-")):
		return "", 0
	}
	fmt.Fprintf(os.Stderr, "az rest: %s %s --query %q is unknown to the stand-in\n", method, path, query)
	return "", 1
}

func TestAppRoles(t *testing.T) {
	const both = "User.Read.All Mail.ReadWrite"
	post := func(role string) string {
		return "post /p1/appRoleAssignments " + `{"principalId":"p1","resourceId":"graph-id","appRoleId":"id-of-` +
			role + `"}`
	}
	for _, test := range []struct {
		granted, do, role string
		changes           string // what is written
		says              string
	}{
		{"", "grant", "User.Read.All", post("User.Read.All"), "User.Read.All: granted\n"},
		{"User.Read.All", "grant", "Mail.ReadWrite", post("Mail.ReadWrite"), "Mail.ReadWrite: granted\n"},
		{both, "grant", "User.Read.All", "", "User.Read.All: granted\n"},
		{both, "revoke", "Mail.ReadWrite", "delete /p1/appRoleAssignments/grant-of-Mail.ReadWrite ",
			"Mail.ReadWrite: not granted any more"},
		{both, "revoke", "User.Read.All", "delete /p1/appRoleAssignments/grant-of-User.Read.All ",
			"User.Read.All: not granted any more"},
		{"User.Read.All", "revoke", "Mail.ReadWrite", "", "Mail.ReadWrite: not granted any more"},
		{"User.Read.All", "show", "", "", "User.Read.All: granted\nMail.ReadWrite: not granted\n"},
		{"Mail.ReadWrite", "show", "", "", "User.Read.All: not granted\nMail.ReadWrite: granted\n"},
		{both, "show", "", "", "User.Read.All: granted\nMail.ReadWrite: granted\n"},
	} {
		for graph, env := range map[string]string{"https://graph.microsoft.us": "GRAPH_URL=",
			"https://dod-graph.microsoft.us": "GRAPH_URL=https://dod-graph.microsoft.us/"} {
			t.Run(strings.Join([]string{test.do, test.role, "with", test.granted, graph}, " "), func(t *testing.T) {
				r := script(t, "", []string{"FAKE_GRANTED=" + test.granted, env}, "graph/app-roles",
					slices.DeleteFunc([]string{test.do, test.role}, func(s string) bool { return s == "" })...)
				r.good(t)
				if !strings.HasPrefix(r.out, test.says) {
					t.Errorf("it says %q", r.out)
				}
				var changes []string
				for _, c := range r.with("rest") {
					_, flags, err := split(c.Args)
					if err != nil {
						t.Fatal(err)
					}
					path, ok := strings.CutPrefix(flags["--url"], graph+"/v1.0/servicePrincipals")
					if !ok {
						t.Errorf("asked: %s", flags["--url"])
					}
					if flags["--method"] != "get" {
						changes = append(changes, flags["--method"]+" "+path+" "+flags["--body"])
					}
				}
				if diff := cmp.Diff(test.changes, strings.Join(changes, "\n")); diff != "" {
					t.Errorf("what is written, -want +got:\n%s", diff)
				}
			})
		}
	}
	script(t, "", nil, "graph/app-roles", "grant", "Directory.ReadWrite.All").bad(t, "User.Read.All or Mail.ReadWrite")
}

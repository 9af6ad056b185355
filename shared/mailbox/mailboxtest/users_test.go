package mailboxtest_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func directory() mailboxtest.Options {
	return mailboxtest.Options{Users: []mailboxtest.User{
		{ID: "0b", UPN: "ben@contoso.example", Mail: "b.new@contoso.example",
			Proxy: []string{"b.alias@contoso.example", "smtp:b.old@contoso.example"}},
		{ID: "0c", UPN: "leaver@contoso.example", Mail: "leaver@contoso.example", Disabled: true},
	}}
}

func lookUp(address string) string {
	return "/users" + query("$filter",
		"proxyAddresses/any(p:p eq 'smtp:"+address+"') or mail eq '"+address+"' or userPrincipalName eq '"+address+
			"'", "$select", "id,userPrincipalName,mail,accountEnabled")
}

func TestLookUp(t *testing.T) {
	s := start(t, directory())
	for address, want := range map[string][]object{
		"b.alias@contoso.example": {{"id": "0b", "userPrincipalName": "ben@contoso.example",
			"mail": "b.new@contoso.example", "accountEnabled": true}},
		"B.OLD@contoso.example": {{"id": "0b", "userPrincipalName": "ben@contoso.example",
			"mail": "b.new@contoso.example", "accountEnabled": true}},
		"leaver@contoso.example": {{"id": "0c", "userPrincipalName": "leaver@contoso.example",
			"mail": "leaver@contoso.example", "accountEnabled": false}},
		"anna.o''neil@contoso.example": {{"id": anna, "userPrincipalName": "anna@contoso.example",
			"mail": "anna.o'neil@contoso.example", "accountEnabled": true}},
		"nobody@contoso.example": nil,
	} {
		if d := cmp.Diff(want, s.want(s.do("GET", "/v1.0"+lookUp(address), nil), 200, "").list()); d != "" {
			t.Errorf("%s: %s", address, d)
		}
	}
	s.want(s.do("GET", "/v1.0/users"+query("$filter", "mail ne 'a'"), nil), 400, "Request_UnsupportedQuery")
	s.want(s.do("GET", "/v1.0/users"+query("$filter", "city eq 'a'"), nil), 501, "NotImplemented")
	s.want(s.do("GET", "/v1.0/users"+query("$select", "accountenabled"), nil), 400, "BadRequest")
}

func TestAUserIsNamedByIDOrUPN(t *testing.T) {
	s := start(t, directory())
	for _, key := range []string{"0b", "ben@contoso.example", "BEN@contoso.example"} {
		a := s.want(s.do("GET", "/v1.0/users/"+key, nil), 200, "")
		if _, given := a.body["accountEnabled"]; a.text("id") != "0b" || given {
			t.Errorf("%s: %s", key, a.raw)
		}
	}
	s.want(s.do("GET", "/v1.0/users/b.new@contoso.example", nil), 404, "Request_ResourceNotFound")
	s.want(s.do("GET", "/v1.0/users/b.new@contoso.example/mailFolders", nil), 404, "ErrorInvalidUser")
	s.want(s.do("GET", "/v1.0/users/0b/mailFolders", nil), 200, "")
}

func TestNoMailboxHasManyCodes(t *testing.T) {
	codes := map[string]int{
		"MailboxNotEnabledForRESTAPI": 404, "ResourceNotFound": 404, "ErrorItemNotFound": 404, "ErrorInvalidUser": 404,
		"AuthenticationError": 401, "ErrorAccessDenied": 403,
	}
	var o mailboxtest.Options
	for c := range codes {
		o.Users = append(o.Users, mailboxtest.User{ID: "id-" + c, UPN: c + "@contoso.example", MailboxCode: c})
	}
	s := start(t, o)
	for c, status := range codes {
		s.want(s.do("GET", "/v1.0/users/id-"+c, nil), 200, "")
		s.want(s.do("POST", "/v1.0/users/id-"+c+"/mailFolders", object{"displayName": "O2"}), status, c)
		s.want(s.do("POST", "/v1.0/users/id-"+c+"/mailFolders/inbox/messages", message("ab")), status, c)
		s.SetUser(mailboxtest.User{ID: "id-" + c, UPN: c + "@contoso.example"}) // licensed another day
		s.want(s.do("POST", "/v1.0/users/id-"+c+"/mailFolders", object{"displayName": "O2"}), 201, "")
	}
}

func TestToken(t *testing.T) {
	s := start(t, mailboxtest.Options{Token: "right"})
	for _, token := range []string{"", "Bearer ", "Bearer local", "Basic right", "right"} {
		a := s.want(s.do("GET", "/v1.0/users", nil, "Authorization", token), 401, "InvalidAuthenticationToken")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
	s.want(s.do("GET", "/v1.0/users", nil, "Authorization", "Bearer right"), 200, "")
	s.Fail(mailboxtest.Token, 2, mailboxtest.Fault{})
	s.want(s.do("GET", "/v1.0/users", nil, "Authorization", "Bearer right"), 200, "")
	s.want(s.do("GET", "/v1.0/users", nil, "Authorization", "Bearer right"), 401, "InvalidAuthenticationToken")
	s.want(s.do("GET", "/v1.0/users", nil, "Authorization", "Bearer right"), 200, "")
	if c := s.Requests(); c.Unauthorized != 6 || c.Kinds[mailboxtest.Token] != 9 {
		t.Errorf("%+v", c)
	}
}

func TestErrorBody(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	a := s.want(s.do("GET", "/v1.0/users/none", nil, "client-request-id", "mine"), 404, "Request_ResourceNotFound")
	e := a.body["error"].(object)
	if e["message"] == "" {
		t.Error("no message")
	}
	want := object{"request-id": a.header.Get("request-id"), "client-request-id": "mine", "date": "2026-11-23T06:00:00"}
	if d := cmp.Diff(want, e["innerError"]); d != "" || a.header.Get("client-request-id") != "mine" ||
		len(a.header.Get("request-id")) != 36 {
		t.Error(d, a.header)
	}
}

func TestPaths(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	for path, status := range map[string]int{
		"/": 400, "/beta/users": 400, "/v1.0": 400, "/v1.0/me": 400, "/v1.0/users/" + anna +
			"/mailfolders": 400, "/v1.0/users//messages": 400,
		"/v1.0/users/" + anna + "/messages/x": 404, "/v1.0/users/" + anna +
			"/mailFolders/inbox/childFolders": 400, "/v1.0/$batch": 405,
	} {
		if a := s.do("GET", path, nil); a.status != status || a.code() == "" {
			t.Errorf("%s: %d %s", path, a.status, a.raw)
		}
	}
	if a := s.do(http.MethodPut, "/v1.0/users", nil); a.status != 405 {
		t.Errorf("PUT: %d", a.status)
	}
}

func TestCountersOfHeaders(t *testing.T) {
	s := start(t, mailboxtest.Options{})
	s.do("GET", folders, nil)
	s.do("GET", folders, nil, "Prefer", "")
	s.do("GET", "/v1.0/users", nil, "Prefer", "", "client-request-id", "")
	c := s.Requests()
	if c.NoImmutableID != 1 || c.NoClientID != 1 {
		t.Errorf("%+v", c)
	}
}

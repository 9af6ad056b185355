package mailboxtest

import (
	"net/http"
	"strconv"
	"strings"

	"o2archiver/shared/record"
)

// userThing is a user as filters see it. The directory compares without regard to case.
type userThing struct{ u *User }

// userFilters are the properties that filters on users may use; others are answered 501.
var userFilters = map[string]bool{
	"id": true, "userPrincipalName": true, "mail": true, "displayName": true, "accountEnabled": true,
	"proxyAddresses/any": true,
}

func (t userThing) value(path string) (string, bool, bool) {
	u := t.u
	switch path {
	case "id":
		return u.ID, false, true
	case "userPrincipalName":
		return u.UPN, false, true
	case "mail":
		return u.Mail, false, u.Mail != ""
	case "displayName":
		return u.DisplayName, false, u.DisplayName != ""
	case "accountEnabled":
		return strconv.FormatBool(!u.Disabled), false, true
	}
	return "", false, false
}

func (t userThing) each(string) []thing {
	var list []thing
	for _, a := range t.u.proxies() {
		list = append(list, addressThing(a))
	}
	return list
}

// addressThing is a proxy address as filters see it.
type addressThing string

func (a addressThing) value(string) (string, bool, bool) { return string(a), false, true }
func (a addressThing) each(string) []thing               { return nil }

// proxies returns the proxyAddresses in the directory's form: the primary one has SMTP in upper case.
func (u *User) proxies() []string {
	var list []string
	if u.Mail != "" {
		list = append(list, "SMTP:"+u.Mail)
	}
	for _, p := range u.Proxy {
		if !strings.Contains(p, ":") {
			p = "smtp:" + p
		}
		if !record.EqualFoldASCII(p, "smtp:"+u.Mail) {
			list = append(list, p)
		}
	}
	return list
}

// listUsers answers GET users: 100 a page, accountEnabled and proxyAddresses only if they are selected.
func (g *Graph) listUsers(q *request, _ route, _ *mailbox) *reply {
	if rep := q.only("$filter", "$select", "$top", "$skip"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "user")
	if rep != nil {
		return rep
	}
	p, rep := q.page(100, 999)
	if rep != nil {
		return rep
	}
	users := g.Users()
	if s, given := q.options["$filter"]; given {
		n, err := parseFilter(s, nil)
		if err != nil {
			return refuseWith(http.StatusBadRequest, "BadRequest", "Invalid filter clause: %v.", err)
		}
		if path, bad := n.unknown(userFilters); bad {
			return notImplemented("a filter on '" + path + "' of users")
		}
		if n.has("ne") { // Microsoft Graph: eq needs no ConsistencyLevel, ne does
			return refuseWith(http.StatusBadRequest, "Request_UnsupportedQuery",
				"Unsupported or invalid query filter clause specified for property.")
		}
		kept := users[:0]
		for _, u := range users {
			if n.matches(userThing{&u}) {
				kept = append(kept, u)
			}
		}
		users = kept
	}
	return q.list(p, len(users), "users", func(i int) map[string]any { return users[i].render(names) })
}

// has reports whether the filter contains the operator op.
func (n *node) has(op string) bool {
	if n.op == op {
		return true
	}
	for _, c := range n.nodes {
		if c.has(op) {
			return true
		}
	}
	return false
}

// getUser answers GET users/{object id or user principal name}; an email address is neither.
func (g *Graph) getUser(q *request, rt route, _ *mailbox) *reply {
	if rep := q.only("$select"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "user")
	if rep != nil {
		return rep
	}
	b, u := g.find(rt.user)
	if b == nil {
		return refuseWith(http.StatusNotFound, "Request_ResourceNotFound",
			"Resource '%s' does not exist or one of its queried reference-property objects are not present.", rt.user)
	}
	return okReply(http.StatusOK, u.render(names))
}

// render returns the selected properties of the user as Graph's JSON object.
func (u *User) render(names []string) map[string]any {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	m := map[string]any{
		"id": u.ID, "userPrincipalName": u.UPN, "mail": null(u.Mail), "displayName": null(u.DisplayName),
		"businessPhones": []string{}, "givenName": nil, "surname": nil, "jobTitle": nil, "mobilePhone": nil,
		"officeLocation": nil, "preferredLanguage": nil,
	}
	if names == nil {
		return m
	}
	m["accountEnabled"], m["proxyAddresses"] = !u.Disabled, u.proxies()
	return pickProperties(m, names)
}

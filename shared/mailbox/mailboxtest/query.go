package mailboxtest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parseOptions parses a percent-encoded query, in which each option may occur once.
func parseOptions(raw string) (map[string]string, *reply) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("The query is malformed.")
	}
	options := map[string]string{}
	for k, vs := range v {
		if len(vs) != 1 {
			return nil, badRequest("Query option '%s' was specified more than once.", k)
		}
		options[k] = vs[0]
	}
	return options, nil
}

// only refuses options other than known. To ignore an option silently would pretend that it has an effect.
func (q *request) only(known ...string) *reply {
	for k := range q.options {
		if !slices.Contains(known, k) {
			return notImplemented("the query option '" + k + "' here")
		}
	}
	return nil
}

// page is the part of a list that is asked for.
type page struct{ skip, top int }

// page parses $top and $skip. byDefault and most are the default and the maximum of $top.
func (q *request) page(byDefault, most int) (page, *reply) {
	p := page{top: byDefault}
	for name, to := range map[string]*int{"$top": &p.top, "$skip": &p.skip} {
		if s, given := q.options[name]; given {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || (name == "$top" && (n == 0 || n > most)) {
				return p, badRequest("Invalid value '%s' for %s.", s, name)
			}
			*to = n
		}
	}
	return p, nil
}

// list returns one page of a list, with the link to the next one.
func (q *request) list(p page, total int, context string, value func(i int) map[string]any) *reply {
	items := []map[string]any{}
	for i := p.skip; i < min(total, p.skip+p.top); i++ {
		items = append(items, value(i))
	}
	body := map[string]any{"@odata.context": q.base + "/v1.0/$metadata#" + context, "value": items}
	if p.skip+p.top < total {
		v := url.Values{}
		for k, o := range q.options {
			v.Set(k, o)
		}
		v.Set("$skip", strconv.Itoa(p.skip+p.top))
		body["@odata.nextLink"] = q.base + q.path + "?" + v.Encode()
	}
	return okReply(200, body)
}

// selected returns the names in $select, nil without one.
func (g *Graph) selected(q *request, typeName string) ([]string, *reply) {
	s, given := q.options["$select"]
	if !given {
		return nil, nil
	}
	names := strings.Split(s, ",")
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
		if !g.schema.has(typeName, names[i]) && names[i] != "id" {
			return nil, refuseWith(400, "BadRequest",
				"Parsing OData Select and Expand failed: Could not find a property named '%s' on type "+
					"'microsoft.graph.%s'.",
				names[i], typeName)
		}
	}
	return names, nil
}

// pickProperties removes from an object what is not selected. The id and expanded properties always stay.
func pickProperties(m map[string]any, names []string, expanded ...string) map[string]any {
	if names == nil {
		return m
	}
	for k := range m {
		if k != "id" && k[0] != '@' && !slices.Contains(names, k) && !slices.Contains(expanded, k) {
			delete(m, k)
		}
	}
	return m
}

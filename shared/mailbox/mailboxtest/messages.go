package mailboxtest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// id returns the id of the kind that the client asked for.
func (m *Message) id(q *request) string {
	if q.immutable() {
		return m.ID
	}
	return m.OtherID
}

func (m *Message) hasAttachments() bool {
	return slices.ContainsFunc(m.Attachments, func(a Attachment) bool { return !a.Inline })
}

// render returns the message as Graph's JSON object.
func (m *Message) render(q *request) map[string]any {
	preview := []rune(m.Text[:min(len(m.Text), 1024)])
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
	etag := strconv.FormatInt(m.Changed.UnixNano(), 36) + strconv.Itoa(len(m.Attachments))
	v := map[string]any{
		"@odata.context": q.base + "/v1.0/$metadata#users/messages/$entity", "@odata.etag": `W/"` + etag + `"`,
		"id": m.id(q), "changeKey": etag, "createdDateTime": stamp(m.Created), "lastModifiedDateTime": stamp(m.Changed),
		"sentDateTime": stamp(m.Sent), "receivedDateTime": stamp(m.Received), "parentFolderId": m.FolderID,
		"subject": m.Subject, "bodyPreview": string(preview[:min(len(preview), 255)]),
		"body":    map[string]string{"contentType": m.TextType, "content": m.Text},
		"isDraft": m.Draft, "isRead": m.Read, "hasAttachments": m.hasAttachments(),
		"internetMessageId": m.InternetMessageID,
		"toRecipients":      renderAddresses(m.To), "ccRecipients": renderAddresses(m.Cc),
		"bccRecipients": renderAddresses(m.Bcc), "replyTo": renderAddresses(m.ReplyTo),
		"categories": slices.Concat([]string{}, m.Categories), "importance": orElseText(m.Importance, "normal"),
		"inferenceClassification": "focused", "flag": map[string]string{"flagStatus": "notFlagged"},
		"isDeliveryReceiptRequested": nil, "isReadReceiptRequested": false, "conversationId": m.ID[len(m.ID)-20:],
		"webLink": "https://outlook.office365.com/owa/?ItemID=" + m.OtherID,
	}
	if m.From != nil {
		v["from"] = renderAddresses([]Address{*m.From})[0]
	}
	if s := m.Sender; s != nil || m.From != nil {
		if s == nil {
			s = m.From
		}
		v["sender"] = renderAddresses([]Address{*s})[0]
	}
	return v
}

// renderAddresses returns addresses as Graph's recipients.
func renderAddresses(list []Address) []map[string]any {
	out := make([]map[string]any, len(list))
	for i, a := range list {
		out[i] = map[string]any{"emailAddress": map[string]string{"name": a.Name, "address": a.Address}}
	}
	return out
}

// messageThing is a message as filters see it.
type messageThing struct{ m *Message }

// messageFilters are the properties that filters on messages may use; others are answered 501.
var messageFilters = map[string]bool{
	"internetMessageId": true, "subject": true, "isRead": true, "isDraft": true, "hasAttachments": true,
	"singleValueExtendedProperties/any": true,
}

func (t messageThing) value(path string) (string, bool, bool) {
	switch path {
	case "internetMessageId":
		return t.m.InternetMessageID, false, true
	case "subject":
		return t.m.Subject, false, true
	case "isRead":
		return strconv.FormatBool(t.m.Read), false, true
	case "isDraft":
		return strconv.FormatBool(t.m.Draft), false, true
	case "hasAttachments":
		return strconv.FormatBool(t.m.hasAttachments()), false, true
	}
	return "", false, false
}

func (t messageThing) each(string) []thing {
	list := make([]thing, 0, len(t.m.Properties))
	for id, v := range t.m.Properties {
		list = append(list, propertyThing{id, v})
	}
	return list
}

// propertyThing is an extended property as filters see it. Microsoft Graph: the name is case-sensitive, the value is
// compared without regard to case.
type propertyThing struct{ id, text string }

func (p propertyThing) value(path string) (string, bool, bool) {
	if path == "id" {
		return p.id, true, true
	}
	return p.text, false, path == "value"
}

func (p propertyThing) each(string) []thing { return nil }

// canonicalLiteral returns the canonical form of an extended property's id, and any other literal as it is.
func canonicalLiteral(path, literal string) (string, error) {
	if path == "id" {
		return canonicalProperty(literal)
	}
	return literal, nil
}

// listMessages answers GET messages: 10 a page, the newest first.
func (g *Graph) listMessages(q *request, rt route, b *mailbox) *reply {
	if rep := q.only("$filter", "$select", "$expand", "$top", "$skip"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "message")
	if rep != nil {
		return rep
	}
	expand, rep := parseExpand(q.options["$expand"])
	if rep != nil {
		return rep
	}
	p, rep := q.page(10, 1000)
	if rep != nil {
		return rep
	}
	var n *node
	if s, given := q.options["$filter"]; given {
		var err error
		if n, err = parseFilter(s, canonicalLiteral); err != nil {
			return refuseWith(http.StatusBadRequest, "ErrorInvalidUrlQueryFilter", "The filter is not valid: %v.", err)
		}
		if path, bad := n.unknown(messageFilters); bad {
			return notImplemented("a filter on '" + path + "' of messages")
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Collect(maps.Values(b.messages))
	// Whether a search of the whole mailbox includes hidden folders is not known: here it does not.
	all = slices.DeleteFunc(all,
		func(m *Message) bool { return b.folders[m.FolderID] != nil && b.folders[m.FolderID].Hidden })
	if rt.folder != "" {
		f := b.folder(rt.folder)
		if f == nil {
			return notFound()
		}
		all = slices.Clone(f.messages)
	}
	if n != nil {
		known := g.o.Now().Add(-g.o.FindLag)
		all = slices.DeleteFunc(all,
			func(m *Message) bool { return m.Created.After(known) || !n.matches(messageThing{m}) })
	}
	slices.SortFunc(all, func(a, b *Message) int { return int(b.Number - a.Number) })
	return q.list(p, len(all), "users('"+b.id+"')/messages",
		func(i int) map[string]any { return expand.render(all[i], q, names) })
}

// getMessage answers GET messages/{id}.
func (g *Graph) getMessage(q *request, rt route, b *mailbox) *reply {
	if rep := q.only("$select", "$expand"); rep != nil {
		return rep
	}
	names, rep := g.selected(q, "message")
	if rep != nil {
		return rep
	}
	expand, rep := parseExpand(q.options["$expand"])
	if rep != nil {
		return rep
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, rep := b.message(rt)
	if rep != nil {
		return rep
	}
	return okReply(http.StatusOK, expand.render(m, q, names))
}

// expansion is the parsed $expand.
type expansion struct {
	files bool
	props *node // the filter that selects extended properties
}

// parseExpand parses $expand: attachments, or extended properties, which Graph returns only if a filter selects them.
func parseExpand(s string) (expansion, *reply) {
	var e expansion
	if s == "" {
		return e, nil
	}
	if s == "attachments" {
		e.files = true
		return e, nil
	}
	rest, isProps := strings.CutPrefix(s, "singleValueExtendedProperties")
	filter, hasFilter := strings.CutPrefix(rest, "($filter=")
	filter, closed := strings.CutSuffix(filter, ")")
	if !isProps {
		return e, notImplemented("$expand of '" + s + "'")
	}
	if !hasFilter || !closed {
		return e, badRequest("singleValueExtendedProperties can be expanded with a $filter on their id only.")
	}
	n, err := parseElementFilter(filter, canonicalLiteral)
	if err != nil {
		return e, badRequest("The filter of $expand is not valid: %v.", err)
	}
	if path, bad := n.unknown(map[string]bool{"id": true}); bad {
		return e, badRequest("singleValueExtendedProperties can be expanded by their id, not by '%s'.", path)
	}
	e.props = n
	return e, nil
}

// render returns the message as Graph's JSON object, with what is expanded and selected.
func (e expansion) render(m *Message, q *request, names []string) map[string]any {
	v := m.render(q)
	if e.files {
		v["attachments"] = m.files()
	}
	if e.props != nil {
		list := []map[string]string{}
		for _, id := range slices.Sorted(maps.Keys(m.Properties)) {
			if e.props.matches(propertyThing{id, m.Properties[id]}) {
				list = append(list, map[string]string{"id": id, "value": m.Properties[id]})
			}
		}
		if len(list) > 0 {
			v["singleValueExtendedProperties"] = list
		}
	}
	return pickProperties(v, names, "attachments", "singleValueExtendedProperties")
}

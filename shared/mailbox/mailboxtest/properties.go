package mailboxtest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The MAPI properties with a meaning for the stand-in, with the only type that each has (MS-OXPROPS).
const (
	flagsProperty     = "Integer 0x0E07"    // PidTagMessageFlags
	submittedProperty = "SystemTime 0x0039" // PidTagClientSubmitTime
	deliveredProperty = "SystemTime 0x0E06" // PidTagMessageDeliveryTime
	classProperty     = "String 0x001A"     // PidTagMessageClass
)

// propertyForm is the form of an extended property's id: type and tag, or type, GUID and name or number.
var propertyForm = regexp.MustCompile(
	`^(?i:(String|Integer|SystemTime|Binary|Boolean|Long|Short|Double|Float|CLSID)) (?:(?i:0x)([0-9A-Fa-f]{1,4})|` +
		`\{?([0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})\}? ` +
		`(?:(?i:Name) (.+)|(?i:Id) (?i:0x)([0-9A-Fa-f]{1,8})))$`)

// canonicalProperty returns the canonical form of an extended property's id. Only the name in it is case-sensitive.
func canonicalProperty(id string) (string, error) {
	p := propertyForm.FindStringSubmatch(id)
	if p == nil {
		return "", errors.New("the extended property's id is malformed")
	}
	kind := p[1]
	for _, k := range []string{
		"String", "Integer", "SystemTime", "Binary", "Boolean", "Long", "Short", "Double", "Float", "CLSID",
	} {
		if strings.EqualFold(k, kind) {
			kind = k
		}
	}
	switch {
	case p[2] != "":
		tag, _ := strconv.ParseUint(p[2], 16, 16) // propertyForm has checked it
		if tag >= 0x8000 {
			return "", errors.New(
				"a tag from 0x8000 on is a named property's, and has no meaning outside of its mailbox")
		}
		if want, known := tagTypes[tag]; known && want != kind {
			return "", fmt.Errorf("the tag 0x%04X is of type %s", tag, want)
		}
		return fmt.Sprintf("%s 0x%04X", kind, tag), nil
	case p[4] != "":
		return kind + " {" + strings.ToLower(p[3]) + "} Name " + p[4], nil
	}
	return kind + " {" + strings.ToLower(p[3]) + "} Id 0x" + strings.ToUpper(p[5]), nil
}

// tagTypes are the types of the tags that are needed to import mail.
var tagTypes = map[uint64]string{
	0x0E07: "Integer", 0x0039: "SystemTime", 0x0E06: "SystemTime", 0x001A: "String", 0x1042: "String", 0x1039: "String",
	0x0070: "String", 0x0071: "Binary", 0x007D: "String", 0x1035: "String", 0x0037: "String", 0x1000: "String",
}

// extendedProperty returns the singleValueExtendedProperties by canonical id, or the refusal of an invalid one.
func extendedProperty(in map[string]any) (map[string]string, *reply) {
	list, _ := in["singleValueExtendedProperties"].([]any)
	props := make(map[string]string, len(list))
	for _, e := range list {
		p := e.(map[string]any) // the schema check guarantees the type
		value, given := p["value"].(string)
		id, err := canonicalProperty(textValue(p, "id"))
		if err != nil {
			return nil, refuseWith(http.StatusBadRequest, "ErrorInvalidExtendedProperty", "%v.", err)
		}
		if _, twice := props[id]; twice {
			return nil, refuseWith(http.StatusBadRequest, "ErrorInvalidExtendedProperty",
				"The property '%s' is there twice.", id)
		}
		if err := checkProperty(id, value); err != nil || !given {
			return nil, refuseWith(http.StatusBadRequest, "ErrorInvalidExtendedPropertyValue",
				"The value of '%s' can't be converted: %v.", id, err)
		}
		props[id] = value
	}
	return props, nil
}

// checkProperty returns an error if the value does not have the type of the property.
func checkProperty(id, value string) error {
	kind, _, _ := strings.Cut(id, " ")
	var err error
	switch kind {
	case "Integer":
		_, err = strconv.ParseInt(value, 10, 32)
	case "Short":
		_, err = strconv.ParseInt(value, 10, 16)
	case "Long":
		_, err = strconv.ParseInt(value, 10, 64)
	case "Double", "Float":
		_, err = strconv.ParseFloat(value, 64)
	case "Boolean":
		if value != "true" && value != "false" {
			err = errors.New("not true or false")
		}
	case "Binary":
		_, err = base64.StdEncoding.Strict().DecodeString(value)
	case "SystemTime": // RFC 3339 in UTC
		var t time.Time
		if t, err = time.Parse(time.RFC3339Nano, value); err == nil &&
			(!strings.HasSuffix(value, "Z") || t.Year() < 1601) {
			err = errors.New("not in UTC, or before 1601")
		}
	}
	if err == nil && id == classProperty && !knownClass(value) {
		err = errors.New("not a class that is known to be safe")
	}
	return err
}

// knownClass reports whether Graph is known to accept a message class. Microsoft Graph accepts IPM.Note and the
// classes below it; Purview's connectors use IPM.ExternalData.*. What Graph does with other classes is not known, so
// they are refused here.
func knownClass(class string) bool {
	c := strings.ToUpper(class)
	return c == "IPM.NOTE" || strings.HasPrefix(c, "IPM.NOTE.") || strings.HasPrefix(c, "IPM.EXTERNALDATA.")
}

// claimNames adds the named properties of a message to the mailbox's finite table, or returns the refusal if the table
// is full. The names of x- headers are in that table too. The mailbox's lock must be held.
func (g *Graph) claimNames(b *mailbox, m *Message) *reply {
	fresh := []string{}
	for _, n := range propertyNames(m) {
		if !b.names[n] {
			fresh = append(fresh, n)
		}
	}
	if len(b.names)+len(fresh) > g.o.NamedProperties {
		return refuseWith(http.StatusForbidden, "ErrorQuotaExceeded", "Cannot get ID from name.")
	}
	for _, n := range fresh {
		b.names[n] = true
	}
	return nil
}

// propertyNames returns the names that a message has in the table of named properties.
func propertyNames(m *Message) []string {
	var names []string
	for id := range m.Properties {
		if _, name, named := strings.Cut(id, " {"); named {
			names = append(names, "{"+name)
		}
	}
	for _, h := range m.Headers {
		names = append(names, strings.ToLower(h.Name))
	}
	return names
}

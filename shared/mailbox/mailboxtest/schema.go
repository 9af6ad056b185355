package mailboxtest

import (
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// csdl is the part of the published schema that is needed to import mail; see testdata/NOTICE.
//
//go:embed testdata/graph-v1.0-mail.csdl
var csdl []byte

// schema is the parsed schema: types and enumerations by name.
type schema struct {
	types map[string]*schemaType
	enums map[string][]string
}

// schemaType is an entity type, a complex type or the parameters of an action.
type schemaType struct {
	Name       string       `xml:"Name,attr"`
	Base       string       `xml:"BaseType,attr"`
	Abstract   bool         `xml:"Abstract,attr"`
	Properties []schemaProp `xml:"Property"`
	Navigation []schemaProp `xml:"NavigationProperty"`
	Parameters []schemaProp `xml:"Parameter"`

	all map[string]schemaProp // all properties by name, inherited ones included
}

// schemaProp is a property of a type.
type schemaProp struct {
	Name     string `xml:"Name,attr"`
	Type     string `xml:"Type,attr"`
	Nullable string `xml:"Nullable,attr"` // "" means true
}

// readSchema parses the embedded schema.
func readSchema() (*schema, error) {
	var x struct {
		Entities  []*schemaType `xml:"EntityType"`
		Complexes []*schemaType `xml:"ComplexType"`
		Actions   []*schemaType `xml:"Action"`
		Enums     []struct {
			Name    string `xml:"Name,attr"`
			Members []struct {
				Name string `xml:"Name,attr"`
			} `xml:"Member"`
		} `xml:"EnumType"`
	}
	if err := xml.Unmarshal(csdl, &x); err != nil {
		return nil, err
	}
	s := &schema{types: map[string]*schemaType{}, enums: map[string][]string{}}
	for _, t := range slices.Concat(x.Entities, x.Complexes, x.Actions) {
		s.types[t.Name] = t
	}
	for _, t := range s.types {
		t.all = map[string]schemaProp{}
		for b := t; b != nil; b = s.types[localPart(b.Base)] {
			for _, p := range slices.Concat(b.Properties, b.Navigation, b.Parameters) {
				t.all[p.Name] = p
			}
		}
		delete(t.all, "bindingParameter")
	}
	for _, e := range x.Enums {
		for _, m := range e.Members {
			s.enums[e.Name] = append(s.enums[e.Name], m.Name)
		}
	}
	return s, nil
}

// localPart returns a type's name without the namespace.
func localPart(name string) string { return strings.TrimPrefix(name, "graph.") }

// has reports whether the type has the property.
func (s *schema) has(typeName, property string) bool {
	_, ok := s.types[typeName].all[property]
	return ok
}

// derives reports whether the type is base or derived from it.
func (s *schema) derives(typeName, base string) bool {
	for t := s.types[typeName]; t != nil; t = s.types[localPart(t.Base)] {
		if t.Name == base {
			return true
		}
	}
	return false
}

// check returns an error if the object does not fit the type; the texts are Graph's where they are known. Graph
// refuses properties that the schema does not have, although message is declared as an open type.
func (s *schema) check(m map[string]any, typeName string) error {
	t := s.types[typeName]
	if v, given := m["@odata.type"]; given {
		name, isString := v.(string)
		name, known := strings.CutPrefix(name, "#microsoft.graph.")
		if !isString || !known || !s.derives(name, typeName) {
			return fmt.Errorf("the value of '@odata.type' is not 'microsoft.graph.%s' or a type below it", typeName)
		}
		t = s.types[name]
	}
	if t.Abstract {
		return fmt.Errorf("cannot create an abstract class: '@odata.type' is needed for 'microsoft.graph.%s'", typeName)
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		v := m[name]
		switch name {
		case "@odata.type", "@odata.context", "@odata.etag", "@odata.id":
			continue
		}
		p, ok := t.all[name]
		if !ok {
			//lint:ignore ST1005 Graph's own words, capitals included
			return fmt.Errorf("The property '%s' does not exist on type 'microsoft.graph.%s'. Make sure to only use "+
				"property names that are defined by the type", name, t.Name)
		}
		if err := s.checkProp(p, v); err != nil {
			return fmt.Errorf("property '%s': %w", name, err)
		}
	}
	for name, p := range t.all {
		if _, given := m[name]; !given && p.Nullable == "false" && !s.derives(t.Name, "entity") {
			return fmt.Errorf("the property '%s' is missing", name)
		}
	}
	return nil
}

// checkProp returns an error if v is not a value of the property.
func (s *schema) checkProp(p schemaProp, v any) error {
	inner, collection := strings.CutPrefix(p.Type, "Collection(")
	if !collection {
		if v == nil && p.Nullable != "false" {
			return nil
		}
		return s.checkValue(p.Type, v)
	}
	list, isList := v.([]any)
	if !isList {
		return fmt.Errorf("a collection is needed")
	}
	inner = strings.TrimSuffix(inner, ")")
	for i, e := range list {
		if err := s.checkValue(inner, e); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// checkValue returns an error if v is not a value of the type.
func (s *schema) checkValue(typeName string, v any) error {
	fits := false
	switch v := v.(type) {
	case bool:
		fits = typeName == "Edm.Boolean"
	case json.Number:
		bits := 32
		if typeName == "Edm.Int64" {
			bits = 64
		}
		_, err := strconv.ParseInt(string(v), 10, bits)
		fits = err == nil && (typeName == "Edm.Int32" || typeName == "Edm.Int64")
	case map[string]any:
		if s.types[localPart(typeName)] != nil {
			return s.check(v, localPart(typeName))
		}
	case string:
		return s.checkText(typeName, v)
	}
	if !fits {
		return fmt.Errorf("cannot convert the literal to the expected type '%s'", typeName)
	}
	return nil
}

// checkText returns an error if text is not the JSON string of a value of the type.
func (s *schema) checkText(typeName, text string) error {
	switch typeName {
	case "Edm.String":
		return nil
	case "Edm.Binary":
		if isBase64(text) {
			return nil
		}
	case "Edm.DateTimeOffset":
		if _, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return nil
		}
	default: // Graph accepts the members of enumerations in upper and lower case
		if slices.ContainsFunc(s.enums[localPart(typeName)],
			func(m string) bool { return strings.EqualFold(m, text) }) {
			return nil
		}
		if s.enums[localPart(typeName)] != nil {
			//lint:ignore ST1005 Graph's own words, capitals included
			return fmt.Errorf("Requested value '%s' was not found", text)
		}
	}
	return fmt.Errorf("cannot convert the literal to the expected type '%s'", typeName)
}

// isBase64 reports whether s has the form of standard base64 with padding, without decoding it.
func isBase64(s string) bool {
	if len(s)%4 != 0 {
		return false
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

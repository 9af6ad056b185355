package archivetest

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// property is one property of an entity, its value as JSON.
type property struct {
	name  string
	value json.RawMessage
}

// Understanding the Table service data model.
const (
	maxProperties   = 252       // without the three system properties
	maxPropertyName = 255       // characters
	maxText         = 64 << 10  // bytes of UTF-16
	maxKey          = 1 << 10   // bytes of UTF-16: "up to 1 KiB in size"
	maxEntity       = 1 << 20   // bytes
	forbiddenInKeys = "/\\#?"   // and control characters
	entityOverhead  = 4         // bytes: the formula of the page on the data model
	perProperty     = 8         // bytes, and two for each character of its name
	perText         = 4         // bytes, and two for each character
	annotation      = "@odata." // in a property's name: the type of another
)

var propertyForm = regexp.MustCompile(`^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Nd}\p{Mn}\p{Mc}\p{Pc}\p{Cf}]*$`)

// readEntity reads and checks the body of an entity. Types other than strings, 32-bit integers, doubles and booleans
// need an annotation, which is not implemented.
func readEntity(body []byte) (all []property, key [2]string, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var in map[string]any
	if err := d.Decode(&in); err != nil || d.More() || in == nil {
		return nil, key, errInput
	}
	size := entityOverhead
	for name, value := range in {
		switch {
		case value == nil:
			continue // "null values are ignored": such a property is not stored
		case strings.Contains(name, annotation) || strings.HasPrefix(name, "odata."):
			return nil, key, unimplemented("the annotation %s", name)
		case name == "Timestamp":
			continue // set by the service: a client's value is ignored
		}
		encoded, n, err := readValue(value)
		if err != nil {
			return nil, key, err
		}
		switch name {
		case "PartitionKey", "RowKey":
			if err := checkKey(value); err != nil {
				return nil, key, err
			}
			key[slices.Index([]string{"PartitionKey", "RowKey"}, name)] = value.(string)
			size += n - perText
		default:
			if len([]rune(name)) > maxPropertyName {
				return nil, key, refused(400, "PropertyNameTooLong",
					"The property name exceeds the maximum allowed length.")
			}
			if !propertyForm.MatchString(name) {
				return nil, key, refused(400, "PropertyNameInvalid", "The property name is invalid.")
			}
			size += perProperty + 2*len(utf16.Encode([]rune(name))) + n
		}
		all = append(all, property{name, encoded})
	}
	for _, name := range []string{"PartitionKey", "RowKey"} {
		if in[name] == nil {
			return nil, key, errKeysMissing
		}
	}
	if len(all)-2 > maxProperties {
		return nil, key, refused(400, "TooManyProperties", "The entity contains more properties than allowed.")
	}
	if size > maxEntity {
		return nil, key, refused(400, "EntityTooLarge", "The entity is larger than the maximum allowed size (1MB).")
	}
	return all, key, nil
}

func checkKey(value any) error {
	key, ok := value.(string)
	switch {
	case !ok:
		return errInput
	case 2*len(utf16.Encode([]rune(key))) > maxKey:
		return refused(400, "KeyValueTooLarge", "The specified key value exceeds the maximum allowed size.")
	case strings.ContainsAny(key, forbiddenInKeys), strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' ||
			r >= 0x7f && r < 0xa0
	}):
		return refused(400, "OutOfRangeInput", "One of the request inputs is out of range.")
	}
	return nil
}

// readValue returns a value as JSON and its size by the formula of the data model.
func readValue(value any) (json.RawMessage, int, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, 0, errInput
	}
	switch v := value.(type) {
	case string:
		size := 2 * len(utf16.Encode([]rune(v)))
		if size > maxText {
			return nil, 0, refused(400, "PropertyValueTooLarge",
				"The property value exceeds the maximum allowed size (64KB).")
		}
		return encoded, size + perText, nil
	case bool:
		return encoded, 1, nil
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			if n < math.MinInt32 || n > math.MaxInt32 {
				return nil, 0, errInput // a number without a type and without a fraction is an Edm.Int32
			}
			return encoded, 4, nil
		}
		if _, err := v.Float64(); err != nil {
			return nil, 0, errInput
		}
		return encoded, 8, nil
	}
	return nil, 0, errInput
}

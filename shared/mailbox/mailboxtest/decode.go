package mailboxtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

const maxDepth = 20 // levels of nesting in a body or a filter

// needJSON refuses a request whose Content-Type is not JSON.
func needJSON(q *request) *reply {
	t, _, err := mime.ParseMediaType(q.header.Get("Content-Type"))
	if err != nil || t != "application/json" {
		return refuseWith(http.StatusUnsupportedMediaType, "UnsupportedMediaType",
			"A Content-Type of application/json is needed.")
	}
	return nil
}

// object returns the request's body, a JSON object that fits a type of the schema, or the refusal of another body.
func (g *Graph) object(q *request, typeName string) (map[string]any, *reply) {
	if rep := needJSON(q); rep != nil {
		return nil, rep
	}
	v, err := decodeBody(q.body)
	if err != nil {
		return nil, badRequest(
			"Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of "+
				"valid JSON format: %v.",
			err)
	}
	m, isObject := v.(map[string]any)
	if !isObject {
		return nil, badRequest("Empty Payload. JSON content expected.")
	}
	if err := g.schema.check(m, typeName); err != nil {
		return nil, refuseWith(http.StatusBadRequest, "RequestBodyRead", "%v", err)
	}
	return m, nil
}

// decodeBody decodes one JSON value strictly: no name twice, nothing after it, valid UTF-8. What Graph makes of half a
// surrogate pair, and of the characters that XML does not allow, is not known. They are refused here, because what is
// archived must be what was sent.
func decodeBody(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("it is not UTF-8")
	}
	if loneSurrogate(body) {
		return nil, errors.New("it has half of a surrogate pair")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the value")
	}
	return v, nil
}

// decodeValue decodes the next value at a level of nesting.
func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errors.New("it is nested too deeply")
	}
	switch t {
	case json.Delim('{'):
		m := map[string]any{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			name := k.(string) // an object's keys are strings
			if _, twice := m[name]; twice {
				return nil, fmt.Errorf("the property '%s' is there twice", name)
			}
			if m[name], err = decodeValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return m, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	if s, isString := t.(string); isString && strings.ContainsFunc(s, isNotKept) {
		return nil, errors.New("a string has a character that can't be kept")
	}
	return t, nil
}

// isNotKept reports whether a character is outside of XML 1.0 section 2.2. Exchange stores and exchanges text in XML.
func isNotKept(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF
}

// loneSurrogate reports whether there is a \ud800…\udfff escape without its other half, which encoding/json would
// replace without an error.
func loneSurrogate(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++
		u := hasSurrogate(body, i)
		if u == 0 {
			continue
		}
		if u == 'l' || i+5 >= len(body) || body[i+5] != '\\' || hasSurrogate(body, i+6) != 'l' {
			return true
		}
		i += 10
	}
	return false
}

// hasSurrogate returns which half of a surrogate pair the escape at i (after the backslash) is: 'h' for the high one,
// 'l' for the low one, 0 for neither.
func hasSurrogate(body []byte, i int) byte {
	if i+3 > len(body) || body[i] != 'u' || body[i+1]|0x20 != 'd' {
		return 0
	}
	switch c := body[i+2] | 0x20; {
	case body[i+2] == '8' || body[i+2] == '9' || c == 'a' || c == 'b':
		return 'h'
	case c >= 'c' && c <= 'f':
		return 'l'
	}
	return 0
}

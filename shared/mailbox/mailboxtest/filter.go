package mailboxtest

import (
	"errors"
	"fmt"
	"strings"
)

// node is an expression of $filter: and, or, eq, ne, startswith or any.
type node struct {
	op     string
	path   string // of eq, ne, startswith and any; without the variable of the enclosing any
	text   string // the literal, in the form in which it is compared
	quoted bool   // the literal is a string
	nodes  []*node
}

// thing is an object that a filter is applied to.
type thing interface {
	// value returns a property as text, and whether there is one. It is compared without case unless exact.
	value(path string) (text string, exact, ok bool)
	// each returns the elements of a collection.
	each(path string) []thing
}

// parseFilter parses the part of OData's filter language that the stand-in implements. canonical may change the
// literal that a path inside an any is compared with, or refuse it; nil changes nothing.
func parseFilter(s string, canonical func(path, literal string) (string, error)) (*node, error) {
	p := &filterParser{rest: s, canonical: canonical}
	return p.whole(s)
}

// parseElementFilter parses a filter on the elements of a collection, as it occurs in $expand.
func parseElementFilter(s string, canonical func(path, literal string) (string, error)) (*node, error) {
	p := &filterParser{rest: s, canonical: canonical, element: true}
	return p.whole(s)
}

// whole parses all of s.
func (p *filterParser) whole(s string) (*node, error) {
	n, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		//lint:ignore ST1005 Graph's own words, capitals included
		return nil, fmt.Errorf("Syntax error at position %d", len(s)-len(p.rest))
	}
	return n, nil
}

// filterParser is a recursive descent parser.
type filterParser struct {
	rest      string
	variable  string // of the any that is being parsed
	element   bool   // the filter is one of parseElementFilter
	canonical func(path, literal string) (string, error)
}

// skip skips spaces.
func (p *filterParser) skip() { p.rest = strings.TrimLeft(p.rest, " ") }

// word consumes a keyword if it is next and ends there, and reports whether it did.
func (p *filterParser) word(w string) bool {
	p.skip()
	if len(p.rest) < len(w) || !strings.EqualFold(p.rest[:len(w)], w) {
		return false
	}
	if len(p.rest) > len(w) && isNameByte(p.rest[len(w)]) && isNameByte(w[0]) {
		return false
	}
	p.rest = p.rest[len(w):]
	return true
}

func isNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '/' || c == '.'
}

// name consumes a name or path, and returns "" if none is next.
func (p *filterParser) name() string {
	p.skip()
	i := 0
	for i < len(p.rest) && isNameByte(p.rest[i]) {
		i++
	}
	name := p.rest[:i]
	p.rest = p.rest[i:]
	return name
}

// or parses operands of or, each of which may be operands of and.
func (p *filterParser) or(depth int) (*node, error) {
	return p.chain("or", depth,
		func() (*node, error) { return p.chain("and", depth, func() (*node, error) { return p.term(depth) }) })
}

// chain parses operands that are joined by op.
func (p *filterParser) chain(op string, depth int, operand func() (*node, error)) (*node, error) {
	if depth > maxDepth {
		//lint:ignore ST1005 Graph's own words, capitals included
		return nil, errors.New("The filter is nested too deeply")
	}
	n, err := operand()
	if err != nil {
		return nil, err
	}
	list := &node{op: op, nodes: []*node{n}}
	for p.word(op) {
		if n, err = operand(); err != nil {
			return nil, err
		}
		list.nodes = append(list.nodes, n)
	}
	if len(list.nodes) == 1 {
		return list.nodes[0], nil
	}
	return list, nil
}

// term parses parentheses, startswith, any or a comparison.
func (p *filterParser) term(depth int) (*node, error) {
	if p.word("(") {
		n, err := p.or(depth + 1)
		if err == nil && !p.word(")") {
			err = errors.New("')' is missing")
		}
		return n, err
	}
	if p.word("startswith") && p.word("(") {
		path, err := p.variablePath(p.name())
		if err != nil || !p.word(",") {
			return nil, errors.Join(err, errors.New("',' is missing"))
		}
		n, err := p.literal(&node{op: "startswith", path: path})
		if err == nil && !p.word(")") {
			err = errors.New("')' is missing")
		}
		return n, err
	}
	name := p.name()
	if name == "" {
		return nil, errors.New("an expression is missing")
	}
	if base, isAny := cutFold(name, "/any"); isAny && p.variable == "" {
		return p.any(base, depth)
	}
	path, err := p.variablePath(name)
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"eq", "ne"} {
		if p.word(op) {
			return p.literal(&node{op: op, path: path})
		}
	}
	return nil, errors.New("an operator is missing, or one that is not supported")
}

// cutFold is strings.CutSuffix without regard to case; s must be longer than suffix.
func cutFold(s, suffix string) (string, bool) {
	if len(s) <= len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// variablePath returns the path without the variable of the enclosing any.
func (p *filterParser) variablePath(name string) (string, error) {
	if p.variable == "" {
		return name, nil
	}
	first, rest, _ := strings.Cut(name, "/")
	if first != p.variable {
		return "", fmt.Errorf("'%s' is not the variable of the expression", first)
	}
	return rest, nil
}

// any parses the rest of path/any(variable:filter).
func (p *filterParser) any(path string, depth int) (*node, error) {
	if !p.word("(") {
		return nil, errors.New("'(' is missing")
	}
	p.variable = p.name()
	defer func() { p.variable = "" }()
	if p.variable == "" || !p.word(":") {
		return nil, errors.New("':' is missing")
	}
	n, err := p.or(depth + 1)
	if err == nil && !p.word(")") {
		err = errors.New("')' is missing")
	}
	return &node{op: "any", path: path, nodes: []*node{n}}, err
}

// literal parses the literal of a comparison into n.
func (p *filterParser) literal(n *node) (*node, error) {
	p.skip()
	if !strings.HasPrefix(p.rest, "'") {
		n.text = p.name()
		if n.text != "true" && n.text != "false" && n.text != "null" {
			return nil, errors.New("a literal is missing")
		}
		return n, nil
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		if p.rest[i] != '\'' {
			b.WriteByte(p.rest[i])
			continue
		}
		if i+1 < len(p.rest) && p.rest[i+1] == '\'' { // a quote inside a literal is doubled
			b.WriteByte('\'')
			i++
			continue
		}
		p.rest = p.rest[i+1:]
		n.text, n.quoted = b.String(), true
		var err error
		if (p.variable != "" || p.element) && p.canonical != nil {
			n.text, err = p.canonical(n.path, n.text)
		}
		return n, err
	}
	//lint:ignore ST1005 Graph's own words, capitals included
	return nil, errors.New("There is an unterminated string literal")
}

// unknown returns a path in the filter that is not in known, and whether there is one.
func (n *node) unknown(known map[string]bool) (string, bool) {
	if n.op == "any" {
		return n.path, !known[n.path+"/any"]
	}
	if n.path != "" && !known[n.path] {
		return n.path, true
	}
	for _, c := range n.nodes {
		if path, bad := c.unknown(known); bad {
			return path, true
		}
	}
	return "", false
}

// matches reports whether the filter holds for t.
func (n *node) matches(t thing) bool {
	switch n.op {
	case "and":
		for _, c := range n.nodes {
			if !c.matches(t) {
				return false
			}
		}
		return true
	case "or":
		for _, c := range n.nodes {
			if c.matches(t) {
				return true
			}
		}
		return false
	case "any":
		for _, e := range t.each(n.path) {
			if n.nodes[0].matches(e) {
				return true
			}
		}
		return false
	}
	text, exact, ok := t.value(n.path)
	if !ok {
		return (n.op == "ne") != (n.text == "null" && !n.quoted)
	}
	if n.op == "startswith" {
		return len(text) >= len(n.text) && strings.EqualFold(text[:len(n.text)], n.text)
	}
	same := text == n.text || !exact && strings.EqualFold(text, n.text)
	return same == (n.op == "eq")
}

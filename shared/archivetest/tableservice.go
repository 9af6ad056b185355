package archivetest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// table is one table; its entities are indexed by partition key and row key.
type table struct {
	entities map[[2]string]*entity
}

// entity is one row.
type entity struct {
	properties []property
	timestamp  time.Time
	etag       string
}

var (
	tableForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,62}$`)
	rowForm   = regexp.MustCompile(`^([^()]+)\(PartitionKey='((?:[^']|'')*)',RowKey='((?:[^']|'')*)'\)$`)

	errMediaType   = refused(415, "MediaTypeNotSupported", "None of the provided media types are supported")
	errKeysMissing = refused(400, "PropertiesNeedValue",
		"The values are not specified for all properties in the entity.")
	errUpdateNotMet = refused(412, "UpdateConditionNotSatisfied",
		"The update condition specified in the request was not satisfied.")
	errEntityExists   = refused(409, "EntityAlreadyExists", "The specified entity already exists.")
	errTableExists    = refused(409, "TableAlreadyExists", "The table specified already exists.")
	tableQueryNames   = []string{"$format", "$filter", "$select", "NextPartitionKey", "NextRowKey"}
	tableHeaderNames  = []string{"Content-Type", "Dataserviceversion", "Maxdataserviceversion", "If-Match", "Prefer"}
	minimalMetadata   = "application/json;odata=minimalmetadata"
	answersInJSON     = minimalMetadata + ";streaming=true;charset=utf-8"
	withoutAnswerBody = "return-no-content"
)

// serveTable answers a request to the Table service.
func (s *Storage) serveTable(q *request) (*answer, error) {
	if err := checkNames(q, tableQueryNames, tableHeaderNames); err != nil {
		return nil, err
	}
	if format := q.query.Get("$format"); format != "" && format != minimalMetadata {
		return nil, unimplemented("the format %s", format)
	}
	// Payload format: the client chooses the amount of metadata.
	if accept := q.header.Get("Accept"); accept != minimalMetadata && accept != "application/json" {
		return nil, unimplemented("answers of the type %q", accept)
	}
	if (q.method == "POST" || q.method == "PUT") && !strings.HasPrefix(q.header.Get("Content-Type"),
		"application/json") {
		return nil, errMediaType
	}
	path := strings.TrimPrefix(q.url.Path, "/")
	if path == "Tables" && q.method == "POST" {
		return s.createTable(q)
	}
	if tableForm.MatchString(path) && q.method == "POST" {
		return s.insertEntity(q, path)
	}
	if name, ok := strings.CutSuffix(path, "()"); ok && tableForm.MatchString(name) && q.method == "GET" {
		return s.queryEntities(q, name)
	}
	for _, name := range []string{"$filter", "$select", "NextPartitionKey", "NextRowKey"} {
		if q.query.Has(name) {
			return nil, unimplemented("the parameter %s for this operation", name)
		}
	}
	m := rowForm.FindStringSubmatch(path)
	if m == nil || path == "Tables" || !tableForm.MatchString(m[1]) {
		return nil, unimplemented("the operation on a table")
	}
	// Addressing table service resources: a quote in a key is doubled.
	key := [2]string{strings.ReplaceAll(m[2], "''", "'"), strings.ReplaceAll(m[3], "''", "'")}
	t := s.tables[strings.ToLower(m[1])]
	switch q.method {
	case "GET":
		return s.getEntity(q, m[1], t, key)
	case "PUT":
		return s.updateEntity(q, t, key)
	case "DELETE":
		return s.deleteEntity(q, t, key)
	}
	return nil, unimplemented("the operation on an entity")
}

// createTable implements Create Table. Names have 3 to 63 letters and digits, begin with a letter and are not case
// sensitive.
func (s *Storage) createTable(q *request) (*answer, error) {
	var in struct{ TableName string }
	if err := json.Unmarshal(q.body, &in); err != nil || in.TableName == "" {
		return nil, errInput
	}
	if !tableForm.MatchString(in.TableName) || strings.EqualFold(in.TableName, "tables") {
		return nil, errResourceName
	}
	if s.tables[strings.ToLower(in.TableName)] != nil {
		return nil, errTableExists
	}
	s.tables[strings.ToLower(in.TableName)] = &table{entities: map[[2]string]*entity{}}
	if q.header.Get("Prefer") == withoutAnswerBody {
		return newAnswer(204).set("Preference-Applied", withoutAnswerBody), nil
	}
	a := newAnswer(201).set("Content-Type", answersInJSON)
	a.body, _ = json.Marshal(map[string]string{ // of strings
		"odata.metadata": "https://" + tableHost + "/$metadata#Tables/@Element", "TableName": in.TableName,
	})
	return a, nil
}

// stamp returns the Timestamp of a write, and the ETag derived from it. It has seven decimal places and increases with
// every write, because the ETag of an entity changes whenever the entity does.
func (s *Storage) stamp(q *request) (time.Time, string) {
	at := q.at.Truncate(100 * time.Nanosecond)
	if !at.After(s.written) {
		at = s.written.Add(100 * time.Nanosecond)
	}
	s.written = at
	return at, fmt.Sprintf(`W/"datetime'%s'"`, url.QueryEscape(at.Format(stampForm)))
}

const stampForm = "2006-01-02T15:04:05.0000000Z"

// insertEntity implements Insert Entity.
func (s *Storage) insertEntity(q *request, name string) (*answer, error) {
	properties, key, err := readEntity(q.body)
	if err != nil {
		return nil, err
	}
	t := s.tables[strings.ToLower(name)]
	switch {
	case t == nil:
		return nil, errTableMissing
	case t.entities[key] != nil:
		return nil, errEntityExists
	}
	e := &entity{properties: properties}
	e.timestamp, e.etag = s.stamp(q)
	t.entities[key] = e
	if q.header.Get("Prefer") == withoutAnswerBody {
		return newAnswer(204).set("Etag", e.etag).set("Preference-Applied", withoutAnswerBody), nil
	}
	return e.answer(q, 201, name), nil
}

// getEntity implements Query Entities for one entity, by its keys.
func (s *Storage) getEntity(q *request, name string, t *table, key [2]string) (*answer, error) {
	if t == nil {
		return nil, errTableMissing
	}
	e := t.entities[key]
	if e == nil {
		return nil, errEntityMissing
	}
	return e.answer(q, 200, name), nil
}

// updateEntity implements Update Entity, which replaces all properties. Without If-Match it would be Insert Or Replace
// Entity.
func (s *Storage) updateEntity(q *request, t *table, key [2]string) (*answer, error) {
	if q.header.Get("If-Match") == "" {
		return nil, unimplemented("insert or replace")
	}
	properties, inBody, err := readEntity(q.body)
	if err != nil {
		return nil, err
	}
	if inBody != key {
		return nil, unimplemented("an entity with other keys than those of its address")
	}
	e, err := matchEntity(q, t, key)
	if err != nil {
		return nil, err
	}
	e.properties = properties
	e.timestamp, e.etag = s.stamp(q)
	return newAnswer(204).set("Etag", e.etag), nil
}

// deleteEntity implements Delete Entity.
func (s *Storage) deleteEntity(q *request, t *table, key [2]string) (*answer, error) {
	if q.header.Get("If-Match") == "" {
		return nil, errMissingHeader // "If-Match: Required"
	}
	if _, err := matchEntity(q, t, key); err != nil {
		return nil, err
	}
	delete(t.entities, key)
	return newAnswer(204), nil
}

var weakETagForm = regexp.MustCompile(`^[wW]/"[^"]*"$`)

// matchEntity returns the entity if its ETag matches If-Match, or if that is a star.
func matchEntity(q *request, t *table, key [2]string) (*entity, error) {
	match := q.header.Get("If-Match")
	if match != "*" && !weakETagForm.MatchString(match) {
		return nil, errInput // Azurite, "in parity with Azure": the ETag of an entity is weak
	}
	if t == nil {
		return nil, errTableMissing
	}
	e := t.entities[key]
	switch {
	case e == nil:
		return nil, errEntityMissing
	case match != "*" && match != e.etag:
		return nil, errUpdateNotMet
	}
	return e, nil
}

// answer returns the answer that holds the entity.
func (e *entity) answer(q *request, status int, name string) *answer {
	out := map[string]any{"Timestamp": e.timestamp.Format(stampForm)}
	if q.header.Get("Accept") == minimalMetadata {
		out["odata.metadata"] = "https://" + tableHost + "/$metadata#" + name + "/@Element"
		out["odata.etag"] = e.etag
	}
	for _, p := range e.properties {
		out[p.name] = p.value
	}
	a := newAnswer(status).set("Content-Type", answersInJSON).set("Etag", e.etag)
	a.body, _ = json.Marshal(out) // of valid JSON values
	return a
}

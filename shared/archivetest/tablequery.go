package archivetest

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// maxQueried is the largest number of entities in one answer. Query timeout and pagination: "1,000 items at one time".
const maxQueried = 1000

// ofPartition is the only filter that is implemented: the entities of a partition, from a row key on.
var ofPartition = regexp.MustCompile(`^PartitionKey eq '((?:[^']|'')*)'(?: and RowKey ge '((?:[^']|'')*)')?$`)

// queryEntities implements Query Entities for entities of one partition, in the order of their row keys.
func (s *Storage) queryEntities(q *request, name string) (*answer, error) {
	m := ofPartition.FindStringSubmatch(q.query.Get("$filter"))
	if m == nil {
		return nil, unimplemented("the filter of a query")
	}
	partition, least := strings.ReplaceAll(m[1], "''", "'"), strings.ReplaceAll(m[2], "''", "'")
	from, err := readContinuation(q, partition)
	if err != nil {
		return nil, err
	}
	t := s.tables[strings.ToLower(name)]
	if t == nil {
		return nil, errTableMissing
	}
	var keys []string
	for key := range t.entities {
		if key[0] == partition && key[1] >= max(from, least) {
			keys = append(keys, key[1])
		}
	}
	slices.Sort(keys)
	a := newAnswer(200).set("Content-Type", answersInJSON)
	if len(keys) > maxQueried {
		a.set("X-Ms-Continuation-NextPartitionKey", opaque(partition)).
			set("X-Ms-Continuation-NextRowKey", opaque(keys[maxQueried]))
		keys = keys[:maxQueried]
	}
	value := make([]map[string]any, len(keys))
	for i, key := range keys {
		if value[i], err = t.entities[[2]string{partition, key}].selected(q); err != nil {
			return nil, err
		}
	}
	out := map[string]any{"value": value}
	if q.header.Get("Accept") == minimalMetadata {
		out["odata.metadata"] = "https://" + tableHost + "/$metadata#" + name
	}
	a.body, _ = json.Marshal(out) // of valid JSON values
	return a, nil
}

// opaque returns a continuation token, which the client passes on as it is.
func opaque(key string) string { return "1!" + base64.URLEncoding.EncodeToString([]byte(key)) }

// readContinuation returns the first row key of the answer.
func readContinuation(q *request, partition string) (from string, err error) {
	next, row := q.query.Get("NextPartitionKey"), q.query.Get("NextRowKey")
	if next == "" && row == "" {
		return "", nil
	}
	raw, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(row, "1!"))
	if err != nil || next != opaque(partition) {
		return "", errInput
	}
	return string(raw), nil
}

// selected returns the properties of an entity that a query asks for: all, or those of $select.
func (e *entity) selected(q *request) (map[string]any, error) {
	all := map[string]any{"Timestamp": e.timestamp.Format(stampForm)}
	for _, p := range e.properties {
		all[p.name] = p.value
	}
	out := all
	if names := q.query.Get("$select"); names != "" {
		out = map[string]any{}
		for name := range strings.SplitSeq(names, ",") {
			if all[name] == nil {
				return nil, unimplemented("a query for a property that an entity lacks")
			}
			out[name] = all[name]
		}
	}
	if q.header.Get("Accept") == minimalMetadata {
		out["odata.etag"] = e.etag
	}
	return out, nil
}

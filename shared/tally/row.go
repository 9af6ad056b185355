package tally

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
)

// version is the version of the form of the rows and documents.
const version = 1

// Bounds of an entity: a text property holds 32,768 characters, an entity 1 MiB of UTF-16. A byte of UTF-8 is at most
// one character.
const (
	maxText       = 30_000 // bytes of one text property
	textsPerRow   = 14     // properties with mailboxes in one entity
	maxMailbox    = 200    // bytes of a mailbox's id
	otherMailbox  = "OTHER"
	mailboxesName = "Mailboxes" // and a number
)

// A key must not hold a slash, so the name of a run is written with dots: its date has a fixed length.
func dottedName(run string) string { return strings.ReplaceAll(run, "/", ".") }

// runPartition returns the partition of the rows of a run's batches, and partPartition that of the rows that continue
// them. The first are what is queried, and the second are found by their keys.
func runPartition(run string) string  { return "b." + dottedName(run) }
func partPartition(run string) string { return "m." + dottedName(run) }

// rowOf returns the row key of a batch: its name within the run, without the ending.
func rowOf(batch string) string { return archive.BatchBase(batch) }

func partRow(batch string, part int) string { return fmt.Sprintf("%s.%d", rowOf(batch), part) }

// entity is a row of a batch in the table service's JSON, without the properties of its mailboxes. Numbers that may
// exceed 32 bits are texts, as the JSON of the rest.
type entity struct {
	PartitionKey string
	RowKey       string
	V            int32
	Length       string
	Done         bool
	Totals       string
	Kinds        string
	Reasons      string
	Lines        string
	More         int32
	Unmapped     int32
	Parts        int32  // rows that hold further mailboxes
	Timestamp    string `json:",omitempty"` // set by the service, never sent
}

// selected are the properties that Rows reads.
const selected = "PartitionKey,RowKey,V,Length,Done,Totals,Kinds,Reasons,More,Unmapped,Parts"

// encode returns the rows of a batch: its own, and those that hold the mailboxes for which its own has no room.
func (b Batch) encode(batch string) (own []byte, parts [][]byte, err error) {
	run := archive.RunOf(batch)
	texts := splitMailboxes(b.Mailboxes)
	e := entity{PartitionKey: runPartition(run), RowKey: rowOf(batch), V: version,
		Length: strconv.FormatInt(b.Length, 10), Done: b.Done, Totals: encodeText(totalsOf(b)),
		Kinds: encodeText(b.Kinds), Reasons: encodeText(b.Reasons), Lines: encodeText(b.Lines), More: int32(b.More),
		Unmapped: int32(b.Unmapped)}
	rows := slices.Collect(slices.Chunk(texts, textsPerRow))
	e.Parts = int32(max(0, len(rows)-1))
	first, err := entityProperties(e)
	if err != nil {
		return nil, nil, err
	}
	all := []map[string]any{first}
	for i, row := range rows {
		if i > 0 {
			all = append(all, map[string]any{"PartitionKey": partPartition(run), "RowKey": partRow(batch, i),
				"V": version, "Length": e.Length})
		}
		for n, t := range row {
			all[i][mailboxesName+strconv.Itoa(n)] = t
		}
	}
	encoded := make([][]byte, len(all))
	for i := range all {
		if encoded[i], err = json.Marshal(all[i]); err != nil {
			return nil, nil, fmt.Errorf("encode the row of a batch: %w", err)
		}
	}
	return encoded[0], encoded[1:], nil
}

// totalsText is the property Totals of the row of a batch. Rows of an earlier version have the totals only. What was
// added is not in properties of its own, because queries select properties, and some rows would lack them.
type totalsText struct {
	journal.Totals
	Head      string `json:"head,omitempty"`
	Notes     []Note `json:"notes,omitempty"`
	MoreNotes int    `json:"moreNotes,omitempty"`
}

func totalsOf(b Batch) totalsText { return totalsText{b.Totals, b.Head, b.Notes, b.MoreNotes} }

// entityProperties returns the properties of an entity by their names.
func entityProperties(e entity) (all map[string]any, err error) {
	encoded, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(encoded, &all)
	}
	return all, err
}

// encodeText returns a value as JSON. The values of this package hold strings and numbers, which JSON can encode.
func encodeText(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic("encode a property of a row: " + err.Error())
	}
	return string(encoded)
}

// splitMailboxes returns the mailboxes as JSON objects of at most maxText bytes.
func splitMailboxes(all Mailboxes) (texts []string) {
	var b strings.Builder
	for _, mailbox := range slices.Sorted(maps.Keys(all)) {
		one := encodeText(mailbox) + ":" + encodeText(all[mailbox])
		if b.Len() > 0 && b.Len()+len(one)+2 > maxText {
			texts = append(texts, b.String()+"}")
			b.Reset()
		}
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(one)
	}
	if b.Len() > 0 {
		texts = append(texts, b.String()+"}")
	}
	return texts
}

// errRow reports a row that this program did not write.
var errRow = errors.New("decode a row of the table totals: it is not one of its own")

// decodeBatch returns what a row holds about a batch, with the mailboxes that are in it, and the number of the rows
// that hold the others.
func decodeBatch(data []byte) (row string, b Batch, parts int, err error) {
	if row, b, parts, err = decodeCounts(data); err != nil {
		return row, b, parts, err
	}
	b.Mailboxes = Mailboxes{}
	return row, b, parts, addMailboxes(data, b.Mailboxes)
}

// decodeCounts is decodeBatch without the mailboxes.
func decodeCounts(data []byte) (row string, b Batch, parts int, err error) {
	e, b, err := decodeProperties(data)
	if err != nil {
		return e.RowKey, Batch{}, 0, err
	}
	if b.Length, err = strconv.ParseInt(e.Length, 10, 64); err != nil {
		return e.RowKey, Batch{}, 0, errRow
	}
	return e.RowKey, b, int(e.Parts), nil
}

// decodeProperties returns what a row holds about a batch, of those properties that are there, without Length and the
// mailboxes.
func decodeProperties(data []byte) (e entity, b Batch, err error) {
	if json.Unmarshal(data, &e) != nil || e.V != version {
		return e, b, errRow
	}
	b = Batch{Done: e.Done, More: int(e.More), Unmapped: int(e.Unmapped)}
	var totals totalsText
	for _, p := range []struct {
		text string
		into any
	}{{e.Totals, &totals}, {e.Kinds, &b.Kinds}, {e.Reasons, &b.Reasons}, {e.Lines, &b.Lines}} {
		if p.text != "" && json.Unmarshal([]byte(p.text), p.into) != nil {
			return e, b, errRow
		}
	}
	b.Totals, b.Head, b.Notes, b.MoreNotes = totals.Totals, totals.Head, totals.Notes, totals.MoreNotes
	return e, b, nil
}

// addMailboxes adds the mailboxes of one row.
func addMailboxes(data []byte, to Mailboxes) error {
	var all map[string]any
	if json.Unmarshal(data, &all) != nil {
		return errRow
	}
	for name, value := range all {
		t, ok := value.(string)
		if !ok || !strings.HasPrefix(name, mailboxesName) {
			continue
		}
		var some Mailboxes
		if json.Unmarshal([]byte(t), &some) != nil {
			return errRow
		}
		maps.Copy(to, some)
	}
	return nil
}

// Run is what the table has about a run: the sums of its batches' rows, and what its manifest counts. It is a pure
// function of both.
type Run struct {
	Run     string // the folder
	Closed  bool   // it has its manifest, and each of its batches has all outcomes
	Batches int    // that the run has
	Rows    int    // of these, batches that the sums have
	Staged  int    // records of all batches

	// Chain is the hex SHA-256 of the Heads of all its batches, sorted, each followed by a line feed. It is "" if one
	// is missing.
	Chain string

	Manifest *archive.Manifest // without its Batches; nil: fetch has not finished the run

	Totals  journal.Totals // records of batches without a row, and lines without an outcome, are pending
	Kinds   map[string]Records
	Reasons map[Reason]int

	Written time.Time // when the service last wrote the row, which import does when it changes; zero: not known
}

// OfRun returns what the table has to have about a run whose batches hold staged records.
func OfRun(run string, rows []Batch, manifest *archive.Manifest, batches, staged int) Run {
	r := Run{Run: run, Batches: batches, Rows: len(rows), Staged: staged, Kinds: map[string]Records{},
		Reasons: map[Reason]int{}, Closed: manifest != nil && len(rows) >= batches}
	if manifest != nil {
		m := *manifest
		m.Batches = nil
		r.Manifest = &m
	}
	heads := make([]string, 0, len(rows))
	for _, b := range rows {
		heads = append(heads, b.Head)
		r.Closed = r.Closed && b.Done
		r.Totals = r.Totals.Add(b.Totals)
		for kind, n := range b.Kinds {
			r.Kinds[kind] = r.Kinds[kind].add(n)
		}
		for reason, n := range b.Reasons {
			r.Reasons[reason] += n
		}
	}
	r.Totals = r.Totals.Of(staged)
	if len(heads) >= batches {
		r.Chain = chainOf(heads)
	}
	return r
}

// chainOf returns the hash over the heads of journals, or "" if one is missing.
func chainOf(heads []string) string {
	slices.Sort(heads)
	if len(heads) > 0 && heads[0] == "" {
		return ""
	}
	sum := sha256.New()
	for _, head := range heads {
		fmt.Fprintln(sum, head)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// runEntity is the row of a run.
type runEntity struct {
	PartitionKey string
	RowKey       string
	V            int32
	Closed       bool
	Batches      int32
	Rows         int32
	Staged       int32
	Chain        string `json:",omitempty"`
	Manifest     string `json:",omitempty"`
	Totals       string
	Kinds        string
	Reasons      string
	Timestamp    string `json:",omitempty"` // set by the service, never sent
}

// runKeys returns the keys of the row of a run. One partition holds the runs that were planned in one year.
func runKeys(run string) (partition, row string) {
	name := dottedName(run)
	return "r." + name[:min(4, len(name))], name[min(5, len(name)):]
}

func (r Run) encode() ([]byte, error) {
	e := runEntity{V: version, Closed: r.Closed, Batches: int32(r.Batches), Rows: int32(r.Rows),
		Staged: int32(r.Staged), Chain: r.Chain, Totals: encodeText(r.Totals), Kinds: encodeText(r.Kinds),
		Reasons: encodeText(r.Reasons)}
	e.PartitionKey, e.RowKey = runKeys(r.Run)
	if r.Manifest != nil {
		e.Manifest = encodeText(r.Manifest)
	}
	return json.Marshal(e)
}

// decodeRun returns what the row of a run holds.
func decodeRun(data []byte) (r Run, err error) {
	var e runEntity
	year, isRun := "", false
	if json.Unmarshal(data, &e) == nil {
		year, isRun = strings.CutPrefix(e.PartitionKey, "r.")
	}
	parts := strings.SplitN(e.RowKey, ".", 3)
	if !isRun || e.V != version || len(parts) != 3 {
		return r, errRow
	}
	r = Run{Run: year + "/" + strings.Join(parts, "/"), Closed: e.Closed, Batches: int(e.Batches), Rows: int(e.Rows),
		Staged: int(e.Staged), Chain: e.Chain}
	r.Written, _ = time.Parse(time.RFC3339, e.Timestamp)
	for _, p := range []struct {
		text string
		into any
	}{{e.Totals, &r.Totals}, {e.Kinds, &r.Kinds}, {e.Reasons, &r.Reasons}, {e.Manifest, &r.Manifest}} {
		if p.text != "" && json.Unmarshal([]byte(p.text), p.into) != nil {
			return r, errRow
		}
	}
	return r, nil
}

// Same reports whether two runs have the same row, whenever it was written.
func (r Run) Same(o Run) bool {
	a, errA := r.encode()
	b, errB := o.encode()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

package archivetest

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

const (
	maxBlocks      = 50_000    // blocks of a blob: Put Block List, Append Block
	maxUncommitted = 100_000   // Put Block
	maxAppend      = 100 << 20 // Append Block, since 2022-11-02
	maxBlockID     = 64        // Put Block: bytes of an ID before encoding

	blockLife = 7 * 24 * time.Hour // of an uncommitted block
)

var writeHeaders = slices.Concat(conditionHeaders, []string{
	"Content-Type", "Content-Md5", "X-Ms-Content-Crc64", "X-Ms-Blob-Content-Type", "X-Ms-Blob-Type",
})

// putBlob implements Put Blob, for a block blob with its content or an append blob without any.
func (s *Storage) putBlob(q *request, c *container, name string) (*answer, error) {
	if err := checkNames(q, nil, writeHeaders); err != nil {
		return nil, err
	}
	kind := q.header.Get("X-Ms-Blob-Type")
	switch {
	case kind == "":
		return nil, errMissingHeader
	case kind != blockBlob && kind != appendBlob:
		return nil, unimplemented("blobs of the type %q", kind)
	case q.length < 0:
		return nil, errMissingLength
	case kind == appendBlob && len(q.body) > 0:
		return nil, errHeaderValue // Put Blob: Content-Length is 0 for an append blob
	}
	metadata, err := readMetadata(q)
	if err != nil {
		return nil, err
	}
	crcSum, err := checkSums(q)
	if err != nil {
		return nil, err
	}
	old := c.there(name)
	if err := checkWrite(q, old); err != nil {
		return nil, err
	}
	// The existing content is replaced, uncommitted blocks included. A lease stays.
	b := &blob{kind: kind, committed: true, metadata: metadata, created: q.at, data: q.body}
	if b.contentType = q.header.Get("X-Ms-Blob-Content-Type"); b.contentType == "" {
		b.contentType = "application/octet-stream"
	}
	if b.hasMD5 = kind == blockBlob; b.hasMD5 && !s.omitMD5 {
		b.md5 = md5Of(b.data)
	}
	if old != nil {
		b.created, b.lease = old.created, old.lease
		b.lease.written(q.at)
	}
	s.changed(q, b)
	c.put(name, b)
	return newAnswer(201).tag(b).set("Content-Md5", b.md5).set("X-Ms-Content-Crc64", crcSum).
		set("X-Ms-Request-Server-Encrypted", "true"), nil
}

// putBlock implements Put Block. The blocks stay uncommitted until a list makes a blob of them.
func (s *Storage) putBlock(q *request, c *container, name string) (*answer, error) {
	if err := checkNames(q, []string{"comp", "blockid"}, writeHeaders); err != nil {
		return nil, err
	}
	id := q.query.Get("blockid")
	raw, err := base64.StdEncoding.DecodeString(id)
	switch {
	case err != nil || len(raw) == 0 || len(raw) > maxBlockID:
		return nil, errQueryValue
	case q.length < 0:
		return nil, errMissingLength
	case len(q.body) == 0:
		return nil, errHeaderValue // as Azurite for an empty Append Block; undocumented
	}
	crcSum, err := checkSums(q)
	if err != nil {
		return nil, err
	}
	b := c.blobs[name]
	if b == nil {
		b = &blob{kind: blockBlob, created: q.at}
	}
	if b.kind != blockBlob {
		return nil, errBlobType
	}
	b.discardBlocks(q.at)
	if err := checkLease(q, c.there(name), true); err != nil {
		return nil, err
	}
	// "For a given blob, all block IDs must be the same length", before encoding.
	for _, other := range [][]block{b.staged, b.blocks} {
		if len(other) > 0 && decodedLength(other[0].id) != len(raw) {
			return nil, refused(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")
		}
	}
	at := slices.IndexFunc(b.staged, func(k block) bool { return k.id == id })
	switch {
	case at >= 0:
		b.staged[at].data = q.body
	case len(b.staged) >= maxUncommitted:
		return nil, refused(409, "BlockCountExceedsLimit",
			"The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.")
	default:
		b.staged = append(b.staged, block{id, q.body})
	}
	b.stagedAt = q.at
	c.put(name, b)
	return newAnswer(201).set("X-Ms-Content-Crc64", crcSum).set("X-Ms-Request-Server-Encrypted", "true"), nil
}

// discardBlocks discards the uncommitted blocks a week after the last one came. Put Block: they are garbage collected
// if no Put Block or Put Block List of the blob succeeds within a week.
func (b *blob) discardBlocks(now time.Time) {
	if now.Sub(b.stagedAt) > blockLife {
		b.staged = nil
	}
}

func decodedLength(id string) int {
	raw, _ := base64.StdEncoding.DecodeString(id) // it was checked when the block was put
	return len(raw)
}

// putBlockList implements Put Block List.
func (s *Storage) putBlockList(q *request, c *container, name string) (*answer, error) {
	if err := checkNames(q, []string{"comp"}, writeHeaders); err != nil {
		return nil, err
	}
	if q.length < 0 {
		return nil, errMissingLength
	}
	metadata, err := readMetadata(q)
	if err != nil {
		return nil, err
	}
	if _, err := checkSums(q); err != nil {
		return nil, err
	}
	wanted, err := readBlockList(q.body)
	if err != nil {
		return nil, err
	}
	old := c.there(name)
	if err := checkWrite(q, old); err != nil {
		return nil, err
	}
	b := &blob{kind: blockBlob, committed: true, metadata: metadata, created: q.at}
	if b.contentType = q.header.Get("X-Ms-Blob-Content-Type"); b.contentType == "" {
		b.contentType = "application/octet-stream"
	}
	if there := c.blobs[name]; there != nil {
		if there.kind != blockBlob {
			return nil, errBlobType
		}
		there.discardBlocks(q.at)
		b.blocks, err = there.selectBlocks(wanted)
	} else if len(wanted) > 0 {
		err = errBlockList
	}
	if err != nil {
		return nil, err
	}
	size := 0
	for _, k := range b.blocks {
		size += len(k.data)
	}
	b.data = make([]byte, 0, size)
	for _, k := range b.blocks {
		b.data = append(b.data, k.data...)
	}
	if old != nil {
		b.created, b.lease = old.created, old.lease
		b.lease.written(q.at)
	}
	s.changed(q, b)
	c.put(name, b)
	return newAnswer(201).tag(b).set("X-Ms-Request-Server-Encrypted", "true"), nil
}

var errBlockList = refused(400, "InvalidBlockList", "The specified block list is invalid.")

// selectBlocks returns the blocks of a list. Put Block List: Latest selects the uncommitted block before the committed
// one.
func (b *blob) selectBlocks(wanted []listed) (chosen []block, err error) {
	find := func(in []block, id string) bool {
		at := slices.IndexFunc(in, func(k block) bool { return k.id == id })
		if at >= 0 {
			chosen = append(chosen, in[at])
		}
		return at >= 0
	}
	for _, w := range wanted {
		found := w.from != "Committed" && find(b.staged, w.id) || w.from != "Uncommitted" && find(b.blocks, w.id)
		if !found {
			return nil, errBlockList
		}
	}
	return chosen, nil
}

// listed is one element of a block list.
type listed struct{ from, id string }

var errXML = refused(400, "InvalidXmlDocument", "XML specified is not syntactically valid.")

// readBlockList parses the body of Put Block List.
func readBlockList(body []byte) (all []listed, err error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	depth, root := 0, ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root == "BlockList" && depth == 0 {
			break
		}
		if err != nil {
			return nil, errXML
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				root = t.Name.Local
				continue
			}
			if !slices.Contains([]string{"Latest", "Committed", "Uncommitted"}, t.Name.Local) || root != "BlockList" {
				return nil, errXML
			}
			var id string
			if err := d.DecodeElement(&id, &t); err != nil {
				return nil, errXML
			}
			depth--
			all = append(all, listed{t.Name.Local, id})
		case xml.EndElement:
			depth--
		}
	}
	if len(all) > maxBlocks {
		return nil, refused(400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks.")
	}
	return all, nil
}

// appendBlock implements Append Block.
func (s *Storage) appendBlock(q *request, c *container, name string) (*answer, error) {
	headers := append([]string{"X-Ms-Blob-Condition-Appendpos", "X-Ms-Blob-Condition-Maxsize"}, writeHeaders...)
	if err := checkNames(q, []string{"comp"}, headers); err != nil {
		return nil, err
	}
	switch {
	case q.length < 0:
		return nil, errMissingLength
	case len(q.body) == 0:
		return nil, errHeaderValue // "The length must be greater than zero"; the code is Azurite's
	case len(q.body) > maxAppend:
		return nil, refused(413, "RequestBodyTooLarge",
			"The size of the request body exceeds the maximum size permitted.")
	}
	crcSum, err := checkSums(q)
	if err != nil {
		return nil, err
	}
	position, limit, err := appendConditions(q)
	if err != nil {
		return nil, err
	}
	b := c.there(name)
	if b == nil {
		return nil, errBlobMissing
	}
	if b.kind != appendBlob {
		return nil, errBlobType
	}
	if err := checkWrite(q, b); err != nil {
		return nil, err
	}
	offset := int64(len(b.data))
	switch {
	case position >= 0 && position != offset:
		return nil, refused(412, "AppendPositionConditionNotMet",
			"The append position condition specified was not met.")
	case limit >= 0 && offset+int64(len(q.body)) > limit:
		return nil, refused(412, "MaxBlobSizeConditionNotMet", "The max blob size condition specified was not met.")
	case b.appended >= maxBlocks:
		return nil, refused(409, "BlockCountExceedsLimit",
			"The committed block count cannot exceed the maximum limit of 50,000 blocks.")
	}
	b.data = append(b.data, q.body...)
	b.appended++
	b.lease.written(q.at)
	s.changed(q, b)
	return newAnswer(201).tag(b).set("X-Ms-Content-Crc64", crcSum).set("X-Ms-Blob-Append-Offset",
		strconv.FormatInt(offset, 10)).
		set("X-Ms-Blob-Committed-Block-Count", strconv.Itoa(b.appended)).set("X-Ms-Request-Server-Encrypted",
		"true"), nil
}

// appendConditions returns the conditions that only Append Block has; -1 stands for none.
func appendConditions(q *request) (position, limit int64, err error) {
	values := [2]int64{-1, -1}
	for i, name := range []string{"X-Ms-Blob-Condition-Appendpos", "X-Ms-Blob-Condition-Maxsize"} {
		if v := q.header.Get(name); v != "" {
			if values[i], err = strconv.ParseInt(v, 10, 64); err != nil || values[i] < 0 {
				return 0, 0, errHeaderValue
			}
		}
	}
	return values[0], values[1], nil
}

// setMetadata implements Set Blob Metadata, which replaces all metadata.
func (s *Storage) setMetadata(q *request, c *container, name string) (*answer, error) {
	if err := checkNames(q, []string{"comp"}, conditionHeaders); err != nil {
		return nil, err
	}
	metadata, err := readMetadata(q)
	if err != nil {
		return nil, err
	}
	b := c.there(name)
	if b == nil {
		return nil, errBlobMissing
	}
	if q.header.Get("If-None-Match") == "*" {
		return nil, unimplemented("metadata only of a blob that is not there")
	}
	if err := checkWrite(q, b); err != nil {
		return nil, err
	}
	b.metadata = metadata
	b.lease.written(q.at)
	s.changed(q, b)
	return newAnswer(200).tag(b).set("X-Ms-Request-Server-Encrypted", "true"), nil
}

// deleteBlob implements Delete Blob. There are no snapshots, and there is no soft delete.
func (s *Storage) deleteBlob(q *request, c *container, name string) (*answer, error) {
	if err := checkNames(q, nil, conditionHeaders); err != nil {
		return nil, err
	}
	b := c.there(name)
	if b == nil {
		return nil, errBlobMissing
	}
	if err := checkWrite(q, b); err != nil {
		return nil, err
	}
	c.remove(name)
	return newAnswer(202).set("X-Ms-Delete-Type-Permanent", fmt.Sprint(true)), nil
}

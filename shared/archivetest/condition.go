package archivetest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"hash/crc64"
	"net/http"
	"strings"
)

// conditionHeaders lists the conditions that an operation on a blob may have. Conditions by time are not implemented.
var conditionHeaders = []string{"If-Match", "If-None-Match", "X-Ms-Lease-Id"}

// readETag returns one condition. Specifying conditional headers: more than one ETag is a 400.
func readETag(q *request, name string) (string, error) {
	tag := q.header.Get(name)
	if strings.Contains(tag, ",") || len(q.header.Values(name)) > 1 {
		return "", refused(400, "MultipleConditionHeadersNotSupported", "Multiple condition headers are not supported.")
	}
	return tag, nil
}

// conditions returns the request's If-Match and If-None-Match.
func (q *request) conditions() (match, noneMatch string, err error) {
	if match, err = readETag(q, "If-Match"); err == nil {
		noneMatch, err = readETag(q, "If-None-Match")
	}
	if match != "" && noneMatch != "" {
		return "", "", unimplemented("If-Match together with If-None-Match")
	}
	return match, noneMatch, err
}

// checkWrite checks the lease and the conditions of an operation that writes; b is nil if there is no blob.
//
// The lease is checked first: creating a blob that exists and is leased fails with LeaseIdMissing, where Azurite
// answers BlobAlreadyExists (Azurite issue 2637).
func checkWrite(q *request, b *blob) error {
	match, noneMatch, err := q.conditions()
	if err != nil {
		return err
	}
	if id := q.header.Get("X-Ms-Lease-Id"); id != "" && noneMatch == "*" {
		return unimplemented("a lease together with If-None-Match: *") // azure-storage-net issue 38: it overwrites
	}
	if err := checkLease(q, b, true); err != nil {
		return err
	}
	switch {
	case b == nil && match != "":
		return errConditionNotMet
	case b == nil:
		return nil
	case noneMatch == "*":
		return errBlobExists // Put Blob, Put Block List: 409 for an existing blob
	case noneMatch != "" && noneMatch == b.etag, match != "" && match != "*" && match != b.etag:
		return errConditionNotMet
	}
	return nil
}

// checkRead checks the lease and the conditions of an operation that reads. Specifying conditional headers, read
// operations.
func checkRead(q *request, b *blob) error {
	match, noneMatch, err := q.conditions()
	switch {
	case err != nil:
		return err
	case noneMatch == "*":
		return refused(400, "UnsatisfiableCondition",
			"The request includes an unsatisfiable condition for this operation.")
	case b == nil && match != "":
		return errConditionNotMet // as Azurite; undocumented
	case b == nil:
		return errBlobMissing
	}
	if err := checkLease(q, b, false); err != nil {
		return err
	}
	if match != "" && match != "*" && match != b.etag {
		return errConditionNotMet
	}
	if noneMatch != "" && noneMatch == b.etag {
		r := refused(http.StatusNotModified, errConditionNotMet.code, errConditionNotMet.text)
		r.header.Set("Etag", b.etag)
		return r
	}
	return nil
}

// crcTable is the table of the polynomial that the service uses (azblob: CRC64Polynomial), which is that of NVMe.
var crcTable = crc64.MakeTable(0x9A6C9329AC4BC9B5)

// checkSums compares a body with the digests in its headers. Put Blob, Put Block, Append Block: Content-MD5 or
// x-ms-content-crc64, not both. It returns the latter.
func checkSums(q *request) (crcSum string, err error) {
	c := crc64.Checksum(q.body, crcTable)
	crcSum = base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, c))
	wantMD5, wantCRC := q.header.Get("Content-Md5"), q.header.Get("X-Ms-Content-Crc64")
	if wantMD5 != "" && wantCRC != "" {
		return "", refused(400, "BothCrc64AndMd5HeaderPresent",
			"Both x-ms-content-crc64 header and Content-MD5 header are present.")
	}
	if wantMD5 != "" {
		if raw, err := base64.StdEncoding.DecodeString(wantMD5); err != nil || len(raw) != md5.Size {
			return "", refused(400, "InvalidMd5",
				"The MD5 value specified in the request is invalid. The MD5 value must be 128 bits "+
					"and Base64-encoded.")
		}
		if wantMD5 != md5Of(q.body) {
			return "", refused(400, "Md5Mismatch",
				"The MD5 value specified in the request did not match with the MD5 value "+
					"calculated by the server.")
		}
	}
	if wantCRC != "" {
		// Azurite, which cites a check against the service: a value of fewer than 8 bytes is invalid.
		if raw, err := base64.StdEncoding.DecodeString(wantCRC); err != nil || len(raw) < crc64.Size {
			return "", errHeaderValue
		}
		if wantCRC != crcSum {
			return "", refused(400, "Crc64Mismatch",
				"The CRC64 value specified in the request did not match with the CRC64 value "+
					"calculated by the server.")
		}
	}
	return crcSum, nil
}

func md5Of(content []byte) string {
	sum := md5.Sum(content)
	return base64.StdEncoding.EncodeToString(sum[:])
}

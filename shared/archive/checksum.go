package archive

import (
	"encoding/binary"
	"hash/crc64"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

// crcTables are of the polynomial of x-ms-content-crc64, bits reversed. Put Blob: the service compares the checksum.
// The i-th is for a byte with i bytes after it. hash/crc64 makes them anew for each call.
var crcTables = func() (tables [8]crc64.Table) {
	tables[0] = *crc64.MakeTable(0x9a6c9329ac4bc9b5)
	for i := 1; i < len(tables); i++ {
		for b, before := range tables[i-1] {
			tables[i][b] = tables[0][byte(before)] ^ before>>8
		}
	}
	return tables
}()

// checksumOf returns the checksum with which a body is sent. azblob can compute it, but first reads the whole body into
// a buffer that grows, several times the body's size in all.
func checksumOf(body []byte) blob.TransferValidationType {
	return blob.TransferValidationTypeCRC64(crc64Of(body))
}

// crc64Of returns the CRC-64 of a body, eight bytes at a time.
func crc64Of(body []byte) uint64 {
	t, sum := &crcTables, ^uint64(0)
	for ; len(body) >= 8; body = body[8:] {
		sum ^= binary.LittleEndian.Uint64(body)
		sum = t[7][byte(sum)] ^ t[6][byte(sum>>8)] ^ t[5][byte(sum>>16)] ^ t[4][byte(sum>>24)] ^
			t[3][byte(sum>>32)] ^ t[2][byte(sum>>40)] ^ t[1][byte(sum>>48)] ^ t[0][byte(sum>>56)]
	}
	return crc64.Update(^sum, &t[0], body)
}

package archive

import (
	"hash/crc64"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
)

// crcTable is of the polynomial of x-ms-content-crc64, bits reversed. Put Blob: the service compares the checksum.
var crcTable = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checksumOf returns the checksum with which a body is sent. azblob can compute it, but first reads the whole body into
// a buffer that grows, several times the body's size in all.
func checksumOf(body []byte) blob.TransferValidationType {
	return blob.TransferValidationTypeCRC64(crc64.Checksum(body, crcTable))
}

package archive

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func TestChecksumIsThatOfTheStandardLibrary(t *testing.T) {
	table := crc64.MakeTable(0x9a6c9329ac4bc9b5)
	body := make([]byte, 10_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body) // never fails
	for _, size := range []int{0, 1, 7, 8, 9, 63, 64, 65, 2047, 2048, 10_000} {
		if got, want := crc64Of(body[:size]), crc64.Checksum(body[:size], table); got != want {
			t.Errorf("%d bytes: %x, want %x", size, got, want)
		}
	}
}

package sftpstore

import (
	"errors"
	"testing"

	"github.com/pkg/sftp"

	"o2archiver/shared/retry"
)

// Each code that a server may send means one of the errors that callers distinguish, and only what may pass is tried
// again.
func TestStatusCodes(t *testing.T) {
	t.Parallel()
	want := map[error][]uint32{
		ErrNotFound:    {2, 10, 19, 21, 24, 27},
		ErrDenied:      {3, 12, 16, 22, 29, 30},
		ErrProtocol:    {5, 8, 11, 18, 20, 23, 28, 31},
		ErrUnavailable: {4, 6, 7, 9, 13, 14, 15, 17, 25, 26, 32, 1 << 31},
	}
	for sentinel, codes := range want {
		for _, code := range codes {
			c := &connection{closed: make(chan struct{}), wire: &wire{}}
			err := c.translate(t.Context(), &sftp.StatusError{Code: code})
			again, _ := retry.IsTransient(err)
			if !errors.Is(err, sentinel) || again != (sentinel == ErrUnavailable) {
				t.Errorf("code %d: %v, to be tried again: %t; want %v", code, err, again, sentinel)
			}
			checkWords(t, err)
		}
	}
}

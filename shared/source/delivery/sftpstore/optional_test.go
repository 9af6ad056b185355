package sftpstore

import (
	"errors"
	"testing"

	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery/deliverytest"
)

// A folder that may be missing is empty if it is, and only if the folder around it can be listed. It takes one
// connection, and nothing is tried again.
func TestOptionalFolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		home, folder string // of the files, and of the Store
		optional     bool
		files        int
		err          error
	}{
		{"", "imports", true, 0, nil},
		{"", "imports", false, 0, ErrNotFound},
		{"", "", true, 1, nil},
		{"out", "out/imports", true, 0, nil},
		{"out", "/out/imports/", true, 0, nil},
		{"imports", "imports", true, 1, nil},
		{"out", "elsewhere/imports", true, 0, ErrNotFound},
		{"out", "elsewhere", true, 0, ErrNotFound},
		{"out", "", true, 0, ErrNotFound},
		{"out", "/", true, 0, ErrNotFound},
	} {
		bubble(t, func(t *testing.T) {
			server := newServer(t, deliverytest.Options{Folder: tt.home})
			s := newStore(t, server, func(c *Config, o *Options) { c.Folder, o.Optional = tt.folder, tt.optional })
			found, err := s.List(t.Context())
			if len(found.Files) != tt.files || !errors.Is(err, tt.err) || server.Counts().Connections != 1 {
				t.Errorf("%+v: %d files, %v, %d connections", tt, len(found.Files), err, server.Counts().Connections)
			}
			checkWords(t, err)
		})
	}
}

// If the server fails while the folder around it is listed, nothing is known of the folder.
func TestOptionalFolderUnknown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		server := newServer(t, deliverytest.Options{})
		s := newStore(t, server, func(c *Config, o *Options) { c.Folder, o.Optional = "imports", true })
		server.Fail(deliverytest.Fault{Phase: deliverytest.Readdir, Kind: deliverytest.Refuse, Times: 100})
		_, err := s.List(t.Context())
		if again, _ := retry.IsTransient(err); !again {
			t.Errorf("%v", err)
		}
		checkWords(t, err)
	})
}

package sftpstore

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery/deliverytest"
)

// The types of packets (draft-ietf-secsh-filexfer-02 section 3).
const (
	typeInit    = 1
	typeVersion = 2
	typeHandle  = 102
)

// rawServer is an SFTP server that answers the version, and then each request with what answer returns for its number
// and id. It ends when answer returns nil.
func rawServer(answer func(n int, id []byte) []byte) func(io.ReadWriteCloser) {
	return func(channel io.ReadWriteCloser) {
		for n := 0; ; n++ {
			head := make([]byte, 4)
			if _, err := io.ReadFull(channel, head); err != nil {
				return
			}
			body := make([]byte, binary.BigEndian.Uint32(head))
			if _, err := io.ReadFull(channel, body); err != nil {
				return
			}
			reply := packet(typeVersion, 0, 0, 0, 3)
			if body[0] != typeInit {
				reply = answer(n-1, body[1:5:5])
			}
			if reply == nil {
				return
			}
			if _, err := channel.Write(reply); err != nil {
				return
			}
		}
	}
}

// A server that does not keep to the protocol ends a listing with an error, soon, and never with a part of it.
func TestHostileListing(t *testing.T) {
	t.Parallel()
	handle := func(id []byte) []byte { return packet(typeHandle, append(id, 0, 0, 0, 1, 'h')...) }
	status := func(id []byte, code byte) []byte {
		return packet(typeStatus, append(id, 0, 0, 0, code, 0, 0, 0, 0, 0, 0, 0, 0)...)
	}
	// one name, x, without attributes
	one := func(id []byte) []byte {
		return packet(typeName, append(id, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0, 0, 0, 0, 0, 0, 0)...)
	}
	// after returns a handle, one name, and then what next returns.
	after := func(next func(id []byte) []byte) func(int, []byte) []byte {
		return func(n int, id []byte) []byte {
			switch n {
			case 0:
				return handle(id)
			case 1:
				return one(id)
			}
			return next(id)
		}
	}
	for name, tt := range map[string]struct {
		answer func(int, []byte) []byte
		kind   error // nil: the listing succeeds
	}{
		"a proper end":       {after(func(id []byte) []byte { return status(id, codeEOF) }), nil},
		"an end in no words": {after(func(id []byte) []byte { return status(id, 0) }), ErrProtocol},
		"no support":         {after(func(id []byte) []byte { return status(id, 8) }), ErrProtocol},
		"failure":            {after(func(id []byte) []byte { return status(id, 4) }), ErrUnavailable},
		"an unknown code":    {after(func(id []byte) []byte { return status(id, 99) }), ErrUnavailable},
		"no access":          {after(func(id []byte) []byte { return status(id, 3) }), ErrDenied},
		"channel closed":     {after(func([]byte) []byte { return nil }), ErrUnavailable},
		"another id": {after(func([]byte) []byte { return status([]byte{9, 9, 9, 9}, codeEOF) }),
			ErrUnavailable},
		"another type":   {after(handle), ErrProtocol},
		"names for ever": {after(one), ErrProtocol},
		"nothing for ever": {after(func(id []byte) []byte { return packet(typeName, append(id, 0, 0, 0, 0)...) }),
			ErrProtocol},
		"names that are not there": {after(func(id []byte) []byte {
			return packet(typeName, append(id, 0, 0, 0, 9)...)
		}), ErrProtocol},
		"a long name": {after(func(id []byte) []byte {
			return packet(typeName, append(id, 0, 0, 0, 1, 255, 255, 255, 255)...)
		}), ErrProtocol},
		"a packet of nothing": {after(func([]byte) []byte { return []byte{0, 0, 0, 0} }), ErrUnavailable},
		"a packet of 4 GiB":   {after(func([]byte) []byte { return []byte{255, 255, 255, 255, 104} }), ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				server := newServer(t, deliverytest.Options{Program: rawServer(tt.answer)})
				s := newStore(t, server, func(_ *Config, o *Options) {
					o.Accept = func(string) bool { return true }
					o.MaxNames = 1000
				})
				began := time.Now()
				found, err := s.List(t.Context())
				if !errors.Is(err, tt.kind) || (len(found.Files) == 1) != (tt.kind == nil) {
					t.Errorf("%d files, %v, want %v", len(found.Files), err, tt.kind)
				}
				again, _ := retry.IsTransient(err)
				want := map[bool]int{true: 8, false: 1}[again]
				if n := server.Counts().Connections; n != want || again != errors.Is(err, ErrUnavailable) {
					t.Errorf("%d connections, transient %t", n, again)
				}
				if took := time.Since(began); took > 4*time.Minute {
					t.Errorf("it took %v", took)
				}
				checkWords(t, err)
			})
		})
	}
}

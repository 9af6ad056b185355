package sftpstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// packet is an SFTP packet: a type and a body.
func packet(kind byte, body ...byte) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(1+len(body)))
	return append(append(p, kind), body...)
}

// names is an SSH_FXP_NAME packet that says to hold so many names.
func names(n uint32) []byte {
	return packet(typeName, binary.BigEndian.AppendUint32([]byte{0, 0, 0, 7}, n)...)
}

func TestStream(t *testing.T) {
	t.Parallel()
	long := make([]byte, maxPacket-1)
	end := packet(typeStatus, 0, 0, 0, 7, 0, 0, 0, codeEOF, 0, 0, 0, 0)
	fine := packet(typeStatus, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0)
	for name, tt := range map[string]struct {
		packets [][]byte
		names   int
		ended   bool
		err     error
	}{
		"nothing":            {},
		"short ones":         {[][]byte{packet(1), packet(2, 1), packet(2, 1, 2, 3, 4, 5, 6, 7)}, 0, false, nil},
		"names":              {[][]byte{names(3), packet(103, long...), names(97)}, 100, false, nil},
		"too many names":     {[][]byte{names(3), names(98)}, 101, false, ErrProtocol},
		"packets of none":    {[][]byte{names(0), names(0), names(99)}, 101, false, ErrProtocol},
		"names without end":  {[][]byte{names(1<<32 - 1)}, maxPacket, false, ErrProtocol},
		"the end":            {[][]byte{names(3), end}, 3, true, nil},
		"the end, and close": {[][]byte{end, fine}, 0, true, nil},
		"no end":             {[][]byte{names(3), fine}, 3, false, nil},
		"too large":          {[][]byte{packet(103, append(long, 0)...)}, 0, false, errPacket},
		"names, no number":   {[][]byte{packet(typeName, 0, 0, 0, 7), names(1)}, 1, false, nil},
	} {
		data := bytes.Join(tt.packets, nil)
		for how, from := range map[string]io.Reader{
			"at once": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
			"in halves": iotest.HalfReader(bytes.NewReader(data)),
		} {
			var exceeded error
			s := &stream{from: from, maxNames: 100, exceeded: func(err error) { exceeded = err }}
			got, err := io.ReadAll(s)
			if !errors.Is(err, tt.err) || !errors.Is(exceeded, tt.err) || s.names != tt.names ||
				s.sawEnd() != tt.ended || tt.err == nil && !bytes.Equal(got, data) {
				t.Errorf("%s, %s: %d bytes, %d names, end %t, %v, %v", name, how, len(got), s.names, s.sawEnd(), err,
					exceeded)
			}
		}
	}
}

package commands

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"o2archiver/shared/arrival"
	"o2archiver/shared/source/delivery/deliverytest"
)

// oneFile is a folder with one file.
type oneFile struct {
	data  []byte
	size  int64 // as listed; 0: that of data
	fails error // of each read
	opens int
	read  int64
}

func (f *oneFile) List(context.Context) (arrival.Listing, error) {
	size := f.size
	if size == 0 {
		size = int64(len(f.data))
	}
	return arrival.Listing{Files: []arrival.File{{Path: "202611280000-TeleMessage_1_x.zip", Size: size}}}, nil
}

func (f *oneFile) Open(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
	f.opens++
	return io.NopCloser(&oneReader{f, bytes.NewReader(f.data[min(offset, int64(len(f.data))):])}), nil
}

type oneReader struct {
	f  *oneFile
	in *bytes.Reader
}

func (r *oneReader) Read(p []byte) (int, error) {
	if r.f.fails != nil {
		return 0, r.f.fails
	}
	n, err := r.in.Read(p)
	r.f.read += int64(n)
	return n, err
}

// withZIP64 returns a ZIP whose end refers to a record of ZIP64 for all that it states.
func withZIP64(raw []byte) []byte {
	body, end := raw[:len(raw)-22], bytes.Clone(raw[len(raw)-22:])
	count, size := uint64(binary.LittleEndian.Uint16(end[10:])), uint64(binary.LittleEndian.Uint32(end[12:]))
	offset := uint64(binary.LittleEndian.Uint32(end[16:]))
	end64 := append([]byte("PK\x06\x06"), make([]byte, 52)...)
	binary.LittleEndian.PutUint64(end64[4:], 44)
	for at, value := range map[int]uint64{24: count, 32: count, 40: size, 48: offset} {
		binary.LittleEndian.PutUint64(end64[at:], value)
	}
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	binary.LittleEndian.PutUint64(locator[8:], uint64(len(body)))
	binary.LittleEndian.PutUint32(locator[16:], 1)
	for i := 8; i < 20; i++ {
		end[i] = 0xff
	}
	return bytes.Join([][]byte{body, end64, locator, end}, nil)
}

// A check reads the directory of the smallest ZIP and its first message, and says so only if it did.
func TestCheckReadsOneZIP(t *testing.T) {
	t.Parallel()
	const eml = "Date: Fri, 27 Nov 2026 09:30:00 +0000\r\n\r\nconfidential text"
	two := [][2]string{{"list.mf", "Count: 1\r\na.eml\r\n"}, {"a.eml", eml}}
	whole := deliverytest.ZIP(zip.Deflate, two...)
	large := deliverytest.ZIP(zip.Store, append(two, [2]string{"a.bin", strings.Repeat("x", 40<<20)})...)
	damaged := bytes.Clone(whole)
	at := bytes.Index(damaged, []byte("a.eml")) + len("a.eml") // the content of the message
	damaged[at] ^= 0xff
	locked := bytes.Clone(whole)
	locked[bytes.LastIndex(locked, []byte("a.eml"))-46+8] |= 1
	lost := errors.New("the connection was lost")
	for _, tt := range []struct {
		name, want string
		file       oneFile
		err        error
		opens      int
	}{
		{name: "whole", file: oneFile{data: whole}, opens: 1,
			want: "was read, its directory has 2 entries, and its first message can be read"},
		{name: "ZIP64", file: oneFile{data: withZIP64(whole)}, opens: 1,
			want: "was read, its directory has 2 entries, and its first message can be read"},
		{name: "large", file: oneFile{data: large}, opens: 4,
			want: "was read, its directory has 3 entries, and its first message can be read"},
		{name: "no message", file: oneFile{data: deliverytest.ZIP(zip.Store, two[0])}, opens: 1,
			want: "was read, its directory has 1 entries, and none of them is a message"},
		{name: "damaged", file: oneFile{data: damaged}, opens: 1,
			want: "was read, its directory has 2 entries, but its first message can't be read: it is damaged"},
		{name: "locked", file: oneFile{data: locked}, opens: 1,
			want: "was read, its directory has 2 entries, but its first message can't be read: it is protected"},
		{name: "garbage with the end of a ZIP", opens: 1, want: "is not a whole ZIP",
			file: oneFile{data: append(bytes.Repeat([]byte{7}, 1000), whole[len(whole)-22:]...)}},
		{name: "cut short", file: oneFile{data: whole[:len(whole)-30]}, opens: 1, want: "is not a whole ZIP"},
		{name: "shorter than listed", file: oneFile{data: whole, size: int64(len(whole)) + 9}, opens: 1,
			want: "is not a whole ZIP"},
		{name: "changed", file: oneFile{data: whole, fails: fmt.Errorf("read: %w", arrival.ErrChanged)}, opens: 1,
			want: "is not a whole ZIP"},
		{name: "lost", file: oneFile{data: whole, fails: lost}, opens: 1, err: lost},
	} {
		f := tt.file
		says, err := tryFolder(t.Context(), &f)
		want := "1 ZIPs are listed; the smallest " + tt.want
		if !errors.Is(err, tt.err) || tt.err == nil && !strings.HasPrefix(says, want) {
			t.Errorf("%s: %q, %v", tt.name, says, err)
		}
		if f.opens > tt.opens || f.read > 10<<20 {
			t.Errorf("%s: opened %d times, %d bytes read", tt.name, f.opens, f.read)
		}
	}
}

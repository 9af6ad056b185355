package zipread

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// change returns a copy of a ZIP with a byte changed at an offset behind a mark; at the last mark with a negative
// offset.
func change(raw []byte, mark string, offset int, to ...byte) []byte {
	raw = bytes.Clone(raw)
	at := bytes.LastIndex(raw, []byte(mark))
	copy(raw[at+offset:], to)
	return raw
}

func TestDirectoryThatLies(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("text of a message\r\n", 50)
	raw := makeZIP(t, member{"good.eml", "text", zip.Deflate, 0}, member{"x.eml", content, zip.Deflate, 0})
	for name, tt := range map[string]struct {
		raw  []byte
		want Problem
	}{
		"smaller":          {change(raw, headerMark, 24, 1, 0, 0, 0), Broken},
		"larger":           {change(raw, headerMark, 24, 0xff, 0xff, 0xff, 0x7f), Broken},
		"checksum":         {change(raw, headerMark, 16, 1, 2, 3, 4), Broken},
		"fewer compressed": {change(raw, headerMark, 20, 5, 0, 0, 0), Broken},
		"stored":           {change(raw, headerMark, 10, 0, 0), Broken},
		"unknown method":   {change(raw, headerMark, 10, 99, 0), Method},
		"encrypted":        {change(raw, headerMark, 8, 1, 0), Encrypted},
		"offset":           {change(raw, headerMark, 42, 1, 0, 0, 0), Broken},
		"compressed data":  {change(raw, "PK\x03\x04", 36, 0xff, 0xff, 0xff), Broken},
	} {
		got := readAll(t, open(t, tt.raw, DefaultLimits()))
		if len(got) != 2 || got[0] != (outcome{"good.eml", "", 4}) || got[1].Problem != tt.want {
			t.Errorf("%s: %+v, want %q", name, got, tt.want)
		}
	}
}

func TestNoZIP(t *testing.T) {
	t.Parallel()
	raw := makeZIP(t, member{"good.eml", "text", zip.Deflate, 0})
	for name, raw := range map[string][]byte{
		"nothing": nil, "text": []byte("text"), "cut": raw[:len(raw)-1], "cut in the middle": raw[:len(raw)/2],
	} {
		if _, err := Open(bytes.NewReader(raw), int64(len(raw)), DefaultLimits()); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(bytes.NewReader(nil), -1, DefaultLimits()); !errors.Is(err, ErrFormat) {
		t.Errorf("negative size: %v", err)
	}
}

// A directory of more entries than the limit is refused before it is in memory, whatever its end states.
func TestTooManyEntries(t *testing.T) {
	limits := Limits{Entries: 1_000, Directory: 1 << 20, Entry: 1, Total: 1, Ratio: 1}
	var members []member
	for n := range 1_001 {
		members = append(members, member{fmt.Sprint(n), "", zip.Store, 0})
	}
	if a := open(t, makeZIP(t, members[:1_000]...), limits); len(a.Entries) != 1_000 {
		t.Errorf("%d entries", len(a.Entries))
	}
	raw := makeZIP(t, members...)
	for name, raw := range map[string][]byte{
		"honest": raw, "understated": change(raw, endMark, 8, 1, 0, 1, 0),
		"overstated": change(raw, endMark, 8, 0xfe, 0xff, 0xfe, 0xff),
		"long names": makeZIP(t, member{strings.Repeat("x", 60_000), "", zip.Store, 0},
			member{strings.Repeat("y", 60_000), "", zip.Store, 0}),
	} {
		limits := limits
		if name == "long names" {
			limits.Directory = 100_000
		}
		if _, err := Open(bytes.NewReader(raw), int64(len(raw)), limits); !errors.Is(err, ErrTooMany) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A million headers without a name, of which the end states one.
	header := make([]byte, headerSize)
	copy(header, headerMark)
	flood := bytes.Repeat(header, 1_000_000)
	end := make([]byte, endSize)
	copy(end, endMark)
	binary.LittleEndian.PutUint16(end[10:], 1)
	binary.LittleEndian.PutUint32(end[12:], headerSize)
	flood = append(flood, end...)
	for _, offset := range []int{0, 1 << 30} {
		binary.LittleEndian.PutUint32(flood[len(flood)-endSize+16:], uint32(offset))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(bytes.NewReader(flood), int64(len(flood)), DefaultLimits())
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
			t.Errorf("%d bytes of memory, %v", used, err)
		}
		if !errors.Is(err, ErrTooMany) && offset == 0 {
			t.Errorf("a million entries: %v", err)
		}
	}
}

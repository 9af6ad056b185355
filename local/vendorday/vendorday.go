// Package vendorday turns a sample day into what the vendor would deliver of it: ZIPs of e-mail messages (EML), each
// with its manifest. The form is that of docs/delivery.md. What is known of it from the vendor and from public programs
// is kept to; the rest, such as the values of header fields, is invented.
//
// It uses no code of the connector, so that what the connector makes of a ZIP can be compared with what it makes of the
// same items from the site.
package vendorday

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"time"

	"o2archiver/local/sample"
)

// Options are the vendor's limits. The zero value has the defaults.
type Options struct {
	Messages int   // of a ZIP; 0: 200
	Size     int64 // bytes of the messages of a ZIP, more by at most one message; 0: 8 MiB
	Seed     uint64
}

// ZIP is one delivered file.
type ZIP struct {
	Name     string
	Zipped   time.Time // in whole seconds
	Messages int
	Data     []byte
}

// Make returns the day's ZIPs in the order of their creation. The same day and options always result in the same bytes.
//
// Items are collected in the order in which they were archived. When the collection passes a limit, and at midnight
// UTC, it becomes a ZIP of that day, with the next number of the day.
func Make(day *sample.Day, o Options) ([]ZIP, error) {
	o.Messages, o.Size = cmp.Or(o.Messages, 200), cmp.Or(o.Size, 8<<20)
	w := &writer{o: o, files: contentsOf(day)}
	for _, item := range day.Items {
		date := item.Archived.UTC().Truncate(24 * time.Hour)
		if !date.Equal(w.date) {
			if err := w.pack(w.date.Add(24 * time.Hour)); err != nil {
				return nil, err
			}
			w.date, w.number = date, 0
		}
		w.collect(item)
		if len(w.emails) >= o.Messages || w.size >= o.Size {
			if err := w.pack(item.Archived); err != nil {
				return nil, err
			}
		}
	}
	return w.zips, w.pack(day.End)
}

// contentsOf returns the files that the site has, by their paths.
func contentsOf(day *sample.Day) map[string][]byte {
	files := map[string][]byte{}
	for _, c := range day.Contents {
		if c.Status == 0 {
			files[c.Path] = c.Data
		}
	}
	return files
}

// writer collects messages and makes ZIPs of them.
type writer struct {
	o     Options
	files map[string][]byte // of the site
	zips  []ZIP

	date   time.Time // of the current collection
	number int       // of its last ZIP
	names  map[string]bool
	emails []email
	size   int64

	compressor *flate.Writer
}

// email is one message of a ZIP.
type email struct {
	name string
	data []byte
}

// collect adds an item to the collection.
func (w *writer) collect(item sample.Item) {
	it := readItem(item.Raw, w.files)
	if w.names == nil {
		w.names = map[string]bool{}
	}
	data := it.eml(newChoice(w.o.Seed, item.Raw))
	stem := fileStem(it.id)
	if stem == "" {
		stem = "item"
	}
	// A name is unique in its ZIP only: several phones archive one message, under one identity.
	name := stem + ".eml"
	for n := 2; w.names[name]; n++ {
		name = fmt.Sprintf("%s-%d.eml", stem, n)
	}
	w.names[name] = true
	w.emails = append(w.emails, email{name, data})
	w.size += int64(len(data))
}

// fileStem returns what a file system takes of an identity.
func fileStem(id string) string {
	const longest = 80
	stem := strings.Map(func(c rune) rune {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
			return c
		}
		return -1
	}, id)
	return stem[:min(len(stem), longest)]
}

// compress returns the compressor for the next entry. One is enough, as entries are written one after the other; a new
// one takes a megabyte.
func (w *writer) compress(to io.Writer) (_ io.WriteCloser, err error) {
	if w.compressor == nil {
		w.compressor, err = flate.NewWriter(to, flate.BestSpeed)
		return w.compressor, err
	}
	w.compressor.Reset(to)
	return w.compressor, nil
}

// pack makes a ZIP of the collection, if it is not empty.
func (w *writer) pack(at time.Time) error {
	if len(w.emails) == 0 {
		return nil
	}
	w.number++
	at = at.UTC().Truncate(time.Second)
	stem := fmt.Sprintf("%s0000-TeleMessage_%d_%s", w.date.Format("20060102"), w.number, at.Format("20060102150405"))
	var list, out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, w.compress)
	fmt.Fprintf(&list, "Count: %d\r\n", len(w.emails))
	for _, e := range w.emails {
		fmt.Fprintf(&list, "%s\r\n", e.name)
	}
	for _, e := range append(w.emails, email{stem + ".mf", list.Bytes()}) {
		f, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at})
		if err == nil {
			_, err = f.Write(e.data)
		}
		if err != nil {
			return fmt.Errorf("make a ZIP: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("make a ZIP: %w", err)
	}
	w.zips = append(w.zips, ZIP{Name: stem + ".zip", Zipped: at, Messages: len(w.emails), Data: out.Bytes()})
	w.emails, w.names, w.size = nil, nil, 0
	return nil
}

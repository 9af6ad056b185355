package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"o2archiver/local/sample"
	"o2archiver/local/vendorday"
)

// The deliveries that are measured: each ZIP has as many messages, and about 50 MB. Every twentieth message has a
// picture, which is most of that.
const (
	zipMessages  = 5000
	pictureEvery = 20
	pictureSize  = 180_000 // bytes
)

// zip returns the ZIP of the i-th day. The first ones, which several steps need, are made once.
func (w *world) zip(i int) (vendorday.ZIP, error) {
	if i < len(w.zips) {
		return w.zips[i], nil
	}
	z, err := w.makeZIP(i, zipMessages)
	if err == nil && i == len(w.zips) && i < maxZIPs {
		w.zips = append(w.zips, z)
	}
	return z, err
}

// makeZIP makes a ZIP of a number of messages. They and their pictures all differ from those of the other days.
func (w *world) makeZIP(i, messages int) (vendorday.ZIP, error) {
	d := day{from: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -2-i), items: messages,
		mailboxes: w.o.mailboxes, prefix: fmt.Sprintf("zip%d-", i)}
	vendor := &sample.Day{Start: d.from, End: d.from.Add(24 * time.Hour)}
	for n := range d.items {
		it := d.text(n)
		if n%pictureEvery == 0 {
			file := sample.Content{Path: fmt.Sprintf("/content/%d.jpg", n), Data: pictureBytes(i, n)}
			it.MessageType = "MMS"
			it.Attachment = []attachment{{Name: "picture.jpg", ContentType: "image/jpeg",
				Size: pictureSize, ContentURL: file.Path}}
			vendor.Contents = append(vendor.Contents, file)
		}
		vendor.Items = append(vendor.Items, sample.Item{Archived: d.archived(n), Raw: encodeItem(it)})
	}
	zips, err := vendorday.Make(vendor, vendorday.Options{Messages: messages, Size: 1 << 30})
	if err != nil || len(zips) != 1 {
		return vendorday.ZIP{}, fmt.Errorf("make the ZIP of a day: %d ZIPs, %w", len(zips), err)
	}
	return zips[0], nil
}

// pictureBytes returns what compresses as badly as a picture does.
func pictureBytes(day, n int) []byte {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(day))
	binary.BigEndian.PutUint64(seed[8:], uint64(n))
	data := make([]byte, pictureSize)
	_, _ = rand.NewChaCha8(seed).Read(data) // never fails
	return data
}

// land puts ZIPs into a landing container of their own, and returns its connection string and their size.
func (w *world) land(ctx context.Context, zips int) (m *memoryStorage, size int64, err error) {
	if m, _, err = serveStorage(ctx, &w.servers); err != nil {
		return nil, 0, err
	}
	landing, err := m.landing(ctx)
	for i := 0; i < zips && err == nil; i++ {
		var z vendorday.ZIP
		if z, err = w.zip(i); err == nil {
			size += int64(len(z.Data))
			err = landing.Put(ctx, z.Name, bytes.NewReader(z.Data))
		}
	}
	return m, size, err
}

package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocsHaveThePictures: docs/screenshots has the pictures that the command takes, and no others; docs/portal.md
// shows each; all together they are small.
func TestDocsHaveThePictures(t *testing.T) {
	const docs = "../../docs"
	var want, got []string
	for name, views := range inDocs {
		for _, v := range views {
			want = append(want, name+v.ending())
		}
	}
	slices.Sort(want)
	text, err := os.ReadFile(filepath.Join(docs, "portal.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(docs, "screenshots"))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, f := range files {
		got = append(got, f.Name())
		if !strings.Contains(string(text), "(screenshots/"+f.Name()+")") {
			t.Errorf("docs/portal.md does not show %s", f.Name())
		}
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pictures (-want +got):\n%s", diff)
	}
	if size > 1_500_000 {
		t.Errorf("the pictures have %d bytes", size)
	}
}

// TestShrinkPicture: a picture has the colours that it has most often, and no more pixels than are shown.
func TestShrinkPicture(t *testing.T) {
	tall := image.NewRGBA(image.Rect(0, 0, 400, maxHeight+7))
	for y := range maxHeight + 7 {
		for x := range 400 {
			tall.Set(x, y, color.RGBA{R: 200, A: 255})
			if y == 3 {
				tall.Set(x, y, color.RGBA{R: uint8(x), G: uint8(x / 2), A: 255}) // more colours than are kept
			}
		}
	}
	var raw bytes.Buffer
	if err := png.Encode(&raw, tall); err != nil {
		t.Fatal(err)
	}
	small, err := shrinkPicture(raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	colours, ok := got.ColorModel().(color.Palette)
	if !ok || len(colours) > maxColors || got.Bounds().Dy() != maxHeight || got.Bounds().Dx() != 400 {
		t.Errorf("%T of %v", got, got.Bounds())
	}
	if r, _, _, _ := got.At(5, 900).RGBA(); r>>8 != 200 {
		t.Errorf("the most frequent colour is %d", r>>8)
	}
}

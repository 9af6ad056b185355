package archive

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// DecodeManifest reads a manifest and calls each for its batches, in their order. The result has no Batches: a day of a
// million items has ten thousand, so they are never held together. An error of r is returned as it is; all others are
// ErrContent, and each may have been called before.
func DecodeManifest(r io.Reader, each func(BatchInfo)) (Manifest, error) {
	source := &errorReader{Reader: r}
	m, err := decodeManifest(json.NewDecoder(source), each)
	if err != nil {
		return Manifest{}, cmp.Or(source.err, fmt.Errorf("decode a manifest: %w", ErrContent))
	}
	return m, nil
}

// errorReader keeps the error of a Reader other than io.EOF.
type errorReader struct {
	io.Reader
	err error
}

func (r *errorReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func decodeManifest(in *json.Decoder, each func(BatchInfo)) (m Manifest, err error) {
	rest := map[string]json.RawMessage{} // all members but the batches
	err = decodeMembers(in, func(name string) error {
		if name == "batches" {
			return decodeBatches(in, each)
		}
		var value json.RawMessage
		err := in.Decode(&value)
		rest[name] = value
		return err
	})
	if err != nil {
		return m, err
	}
	raw, err := json.Marshal(rest)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(raw, &m)
}

// errNoManifest reports JSON of another form than that of a manifest.
var errNoManifest = errors.New("its JSON has not the form of a manifest")

// decodeMembers reads one JSON object, which must be all of the input, and calls value to read each member's value.
func decodeMembers(in *json.Decoder, value func(name string) error) error {
	if err := expectToken(in, json.Delim('{')); err != nil {
		return err
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		if err := value(name.(string)); err != nil { // the decoder returns no other token for a member's name
			return err
		}
	}
	if err := expectToken(in, json.Delim('}')); err != nil {
		return err
	}
	switch _, err := in.Token(); {
	case err == nil:
		return errNoManifest
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// decodeBatches reads the array of batches, or null, and calls each for every batch.
func decodeBatches(in *json.Decoder, each func(BatchInfo)) error {
	token, err := in.Token()
	if err != nil || token == nil {
		return err
	}
	if token != json.Delim('[') {
		return errNoManifest
	}
	for in.More() {
		var b BatchInfo
		if err := in.Decode(&b); err != nil {
			return err
		}
		each(b)
	}
	return expectToken(in, json.Delim(']'))
}

func expectToken(in *json.Decoder, want json.Delim) error {
	token, err := in.Token()
	if err == nil && token != want {
		err = errNoManifest
	}
	return err
}

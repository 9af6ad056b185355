// Command proof checks the files that infra/export has copied from the archive, and lists their checksums:
// go run ./infra/proof FOLDER
//
// The SHA-256 of an attachment must be its name, that of a batch must be in its run's manifest, and each line of a
// journal must hold the hash of the line before it. If all match, proof writes SHA256SUMS. It changes nothing else, and
// prints nothing of the content.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
)

// list is the name of the file with the checksums, in the format of sha256sum and shasum.
const list = "SHA256SUMS"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "proof: usage: proof FOLDER")
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "proof: "+err.Error())
		os.Exit(1)
	}
}

// run checks the folder and, if everything matches, writes the checksums and prints what was proven.
func run(ctx context.Context, folder string, stdout io.Writer) error {
	e := &export{folder: folder, sums: map[string]string{}}
	for _, step := range []func(context.Context) error{e.read, e.batches, e.journals} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if len(e.wrong) > 0 {
		return fmt.Errorf("what was exported is not what was archived:\n%s", strings.Join(e.wrong, "\n"))
	}
	if err := os.WriteFile(filepath.Join(folder, list), []byte(e.lines.String()), 0o600); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout,
		"Proven: %d attachments by their names, %d batches by %d manifests, %d journals line by line.\n",
		e.media, e.proven, e.manifests, e.chained)
	if err == nil && e.unlisted > 0 {
		_, err = fmt.Fprintf(stdout,
			"%d batches belong to runs that have no manifest yet: nothing says what they were.\n",
			e.unlisted)
	}
	return err
}

// export is the content of the folder and the results of its checks.
type export struct {
	folder string
	sums   map[string]string // SHA-256 in hex by name, with slashes
	lines  strings.Builder   // the lines of the list, in the order of the names
	wrong  []string          // mismatches, each with the name of the file

	media, proven, manifests, unlisted, chained int
}

// read computes the hash of every file, and compares those of attachments with their names.
func (e *export) read(ctx context.Context) error {
	digest := regexp.MustCompile(`^` + archive.MediaContainer + `/(?:\d{4}/\d\d/\d\d/)?([0-9a-f]{64})$`)
	return filepath.WalkDir(e.folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(e.folder, file)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); name == list {
			return nil
		}
		if e.sums[name], err = fileSum(file); err != nil {
			return err
		}
		fmt.Fprintf(&e.lines, "%s  %s\n", e.sums[name], name)
		if m := digest.FindStringSubmatch(name); m != nil {
			e.media++
			if m[1] != e.sums[name] {
				e.wrong = append(e.wrong, name+" is not what its name says")
			}
		}
		return nil
	})
}

// fileSum returns the SHA-256 of a file in hex.
func fileSum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// batches compares the hash of each batch with that in its run's manifest.
func (e *export) batches(ctx context.Context) error {
	listed := map[string]bool{}
	for name := range e.sums {
		in, ok := strings.CutPrefix(name, archive.BatchesContainer+"/")
		if !ok || !archive.IsManifest(in) || ctx.Err() != nil {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(e.folder, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		var m archive.Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			e.wrong = append(e.wrong, name+" can't be read")
			continue
		}
		e.manifests++
		for _, b := range m.Batches {
			batch := archive.BatchesContainer + "/" + b.Name
			listed[batch] = true
			switch got, ok := e.sums[batch]; {
			case !ok:
				e.wrong = append(e.wrong, batch+" is missing")
			case got != b.SHA256:
				e.wrong = append(e.wrong, batch+" is not what its manifest says")
			default:
				e.proven++
			}
		}
	}
	for name := range e.sums {
		if strings.HasPrefix(name, archive.BatchesContainer+"/") && archive.HasBatchEnding(name) && !listed[name] {
			e.unlisted++
		}
	}
	return ctx.Err()
}

// journals checks the chain of hashes of each journal.
func (e *export) journals(ctx context.Context) error {
	for name := range e.sums {
		log, ok := strings.CutPrefix(name, archive.JournalContainer+"/")
		if !ok {
			continue
		}
		batch := journal.BatchOf(log)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := followBatch(filepath.Join(e.folder, filepath.FromSlash(name)), batch); err != nil {
			e.wrong = append(e.wrong, name+": "+err.Error())
			continue
		}
		e.chained++
	}
	return nil
}

// followBatch checks one journal, which must be that of the batch.
func followBatch(file, batch string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = journal.Parse(f, batch)
	return err
}

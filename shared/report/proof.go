package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
)

// Proof is the result of the checks of a copy of the archive.
type Proof struct {
	Attachments int // have the SHA-256 that is their name
	Batches     int // have the SHA-256 in their run's manifest
	Manifests   int // were read
	Journals    int // have the whole chain of hashes, line by line
	Deliveries  int // copies of delivered ZIPs with the SHA-256 in their report
	Unlisted    int // batches that no manifest lists: their run has none yet, so nothing states what they were
	Unreported  int // copies of delivered ZIPs without a report, which were not read or could not be

	// Mismatches names each file that is not what was archived, with the reason, in the order of the names.
	Mismatches []string
}

// Prove checks a copy of the archive: the SHA-256 of an attachment must be its name, that of a batch must be in its
// run's manifest, that of a delivered ZIP's copy in its report, and each line of a journal must hold the hash of the
// line before it. It calls each for every file, with its name and its SHA-256 in hex, in the order of the names; files
// directly in the folder named in except are left out. Names have slashes. An error means that something could not be
// read, or that each returned it.
//
// Memory holds the hashes of one run's batches and of all delivered ZIPs, and the mismatches.
func (f Folder) Prove(ctx context.Context, each func(name, sha256 string) error, except ...string) (Proof, error) {
	p := &prover{folder: f, copies: map[string]string{}}
	err := filepath.WalkDir(string(f), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		name, err := filepath.Rel(string(f), file)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); slices.Contains(except, name) {
			return nil
		}
		sum, err := p.check(file, name)
		if err != nil {
			return err
		}
		return each(name, sum)
	})
	p.proof.Unlisted, p.proof.Unreported = p.batches-p.listed, len(p.copies)
	return p.proof, err
}

// prover is the state of a proof.
type prover struct {
	folder Folder
	proof  Proof

	run     string            // the folder of the latest batch, within the container Batches
	sums    map[string]string // SHA-256 in hex of the run's batches so far, by name
	batches int               // in the folder
	listed  int               // of these, batches that a manifest lists

	copies map[string]string // SHA-256 in hex of the copies of ZIPs whose report was not met, by name
}

// check checks one file and returns its SHA-256 in hex.
func (p *prover) check(file, name string) (sum string, err error) {
	container, blob := splitExportName(name)
	if container == archive.JournalContainer {
		return p.checkJournal(file, name, journal.BatchOf(blob))
	}
	if sum, err = hashFile(file); err != nil {
		return "", err
	}
	switch {
	case container == archive.MediaContainer:
		if want, ok := archive.AttachmentHash(blob); ok && sum == want {
			p.proof.Attachments++
		} else if ok {
			p.differs(name, "is not what its name says")
		}
	case container == archive.BatchesContainer && archive.HasBatchEnding(blob):
		p.addBatch(blob, sum)
	case container == archive.BatchesContainer && archive.IsManifest(blob):
		return sum, p.checkRun(file, name)
	case container == archive.DeliveriesContainer:
		p.copies[blob] = sum
	case container == archive.StatusContainer && archive.IsDeliveryReport(blob):
		return sum, p.checkDelivery(file, name)
	}
	return sum, nil
}

// differs adds a mismatch.
func (p *prover) differs(name, how string) {
	p.proof.Mismatches = append(p.proof.Mismatches, name+" "+how)
}

// addBatch notes the hash of a batch until the manifest of its run is met, which comes after the run's batches in the
// order of the names.
func (p *prover) addBatch(batch, sum string) {
	p.batches++
	if run := archive.RunOf(batch); run != p.run || p.sums == nil {
		p.run, p.sums = run, map[string]string{}
	}
	p.sums[batch] = sum
}

// checkRun compares the batches with those of a manifest.
func (p *prover) checkRun(file, name string) error {
	manifest, err := os.Open(file)
	if err != nil {
		return err
	}
	defer manifest.Close()
	before, failed := *p, error(nil)
	_, err = archive.DecodeManifest(manifest, func(b archive.BatchInfo) {
		if failed == nil {
			failed = p.checkBatch(b)
		}
	})
	switch {
	case failed != nil:
		return failed
	case errors.Is(err, archive.ErrContent):
		*p = before // what it lists up to there does not count
		p.differs(name, "can't be read")
		return nil
	case err != nil:
		return err
	}
	p.proof.Manifests++
	return nil
}

// checkBatch compares one batch with what a manifest states about it.
func (p *prover) checkBatch(b archive.BatchInfo) error {
	sum, ok := p.sums[b.Name]
	if !ok && archive.IsBatch(b.Name) { // it may be of another run
		var err error
		sum, err = hashFile(p.folder.path(archive.BatchesContainer, b.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		ok = err == nil
	}
	if !ok {
		p.differs(exportName(archive.BatchesContainer, b.Name), "is missing")
		return nil
	}
	p.listed++
	if sum != b.SHA256 {
		p.differs(exportName(archive.BatchesContainer, b.Name), "is not what its manifest says")
		return nil
	}
	p.proof.Batches++
	return nil
}

// checkDelivery compares the copy of a ZIP with what its report states. The reports come after the copies in the order
// of the names. A copy that is not there may have been deleted at the end of its retention.
func (p *prover) checkDelivery(file, name string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var stated struct{ Copy, SHA256 string }
	if json.Unmarshal(raw, &stated) != nil || stated.Copy == "" {
		p.differs(name, "can't be read")
		return nil
	}
	sum, ok := p.copies[stated.Copy]
	switch delete(p.copies, stated.Copy); {
	case ok && sum == stated.SHA256:
		p.proof.Deliveries++
	case ok:
		p.differs(exportName(archive.DeliveriesContainer, stated.Copy), "is not what its report says")
	}
	return nil
}

// checkJournal checks the chain of hashes of one journal, which must be that of the batch, and returns the SHA-256 of
// the file.
func (p *prover) checkJournal(file, name, batch string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	in := io.TeeReader(f, h)
	_, broken := journal.Parse(in, batch)
	if _, err := io.Copy(io.Discard, in); err != nil { // what follows a break of the chain
		return "", err
	}
	if broken != nil {
		p.proof.Mismatches = append(p.proof.Mismatches, name+": "+broken.Error())
	} else {
		p.proof.Journals++
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashFile returns the SHA-256 of a file in hex.
func hashFile(file string) (string, error) {
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

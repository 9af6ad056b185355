// Command proof checks the files that infra/export has copied from the archive, and lists their checksums:
// go run ./infra/proof FOLDER
//
// The SHA-256 of an attachment must be its name, that of a batch must be in its run's manifest, that of a delivered ZIP
// in its report, and each line of a journal must hold the hash of the line before it. If all match, proof writes
// SHA256SUMS. It changes nothing else, and prints nothing of the content.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"o2archiver/shared/report"
)

// list is the name of the file with the checksums, in the format of sha256sum and shasum.
const list = "SHA256SUMS"

// listPart is the name of the list until it is complete.
const listPart = list + ".part"

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
func run(ctx context.Context, folder string, stdout io.Writer) (err error) {
	sums, err := os.OpenFile(filepath.Join(folder, listPart), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		sums.Close()
		if err != nil {
			_ = os.Remove(sums.Name()) // the error so far is the one to return
		}
	}()
	lines := bufio.NewWriter(sums) // Flush returns its first error
	proof, err := report.Folder(folder).Prove(ctx, func(name, sha256 string) error {
		_, err := fmt.Fprintf(lines, "%s  %s\n", sha256, name)
		return err
	}, list, listPart)
	if err != nil {
		return err
	}
	if len(proof.Mismatches) > 0 {
		return fmt.Errorf("what was exported is not what was archived:\n%s", strings.Join(proof.Mismatches, "\n"))
	}
	if err := errors.Join(lines.Flush(), sums.Close()); err != nil {
		return err
	}
	if err := os.Rename(sums.Name(), filepath.Join(folder, list)); err != nil {
		return err
	}
	return printProof(stdout, proof)
}

// printProof prints what was proven.
func printProof(w io.Writer, p report.Proof) error {
	_, err := fmt.Fprintf(w,
		"Proven: %d attachments by their names, %d batches by %d manifests, %d journals line by line.\n",
		p.Attachments, p.Batches, p.Manifests, p.Journals)
	if err == nil && p.Unlisted > 0 {
		_, err = fmt.Fprintf(w,
			"%d batches belong to runs that have no manifest yet: nothing says what they were.\n", p.Unlisted)
	}
	if err == nil && p.Deliveries+p.Unreported > 0 {
		_, err = fmt.Fprintf(w, "Proven: %d delivered ZIPs by their reports; %d have none, as they were not read.\n",
			p.Deliveries, p.Unreported)
	}
	return err
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/tally"
)

// seenUsers is what import knows of addresses: those of mailboxes that it has written to, and those of the mapping file
// that belong to no valid user.
type seenUsers struct {
	valid map[string]bool // by address, in lower case; one that is absent was not looked up
	at    time.Time       // of the latest look-up that found no user; zero: nothing is known
}

// readSeenUsers reads what import has reported. What can't be read is the same as nothing: the report says so, and a
// file can be put in force without it.
func readSeenUsers(ctx context.Context, reports *archive.Documents) (seen seenUsers, err error) {
	seen.valid = map[string]bool{}
	var names tally.Names
	if err := readReport(ctx, reports, tally.NamesDocument, &names); err != nil {
		return seen, err
	}
	for _, address := range names.Names {
		seen.valid[record.LowerASCII(address)] = true
	}
	var invalid tally.Invalid
	if err := readReport(ctx, reports, tally.InvalidName, &invalid); err != nil {
		return seen, err
	}
	for address, at := range invalid.Addresses {
		seen.valid[address] = false
		if at.After(seen.at) {
			seen.at = at
		}
	}
	return seen, nil
}

// maxReport is the maximum size in bytes of a report of import that is read.
const maxReport = 64 << 20

func readReport(ctx context.Context, reports *archive.Documents, name string, v any) error {
	_, err := reports.GetLarge(ctx, name, v, maxReport)
	switch {
	case err == nil, errors.Is(err, archive.ErrNotFound), errors.Is(err, archive.ErrContent),
		errors.Is(err, archive.ErrTooLarge):
		return nil
	}
	return fmt.Errorf("read a report of import: %w", err)
}

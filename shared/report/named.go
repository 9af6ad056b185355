package report

import (
	"strconv"
	"strings"

	"o2archiver/shared/journal"
	"o2archiver/shared/record"
)

// addresses returns the addresses by which the message names participants instead of the first of their own; the
// journal has the origin of each. unsure reports whether one comes from another version of the mapping than the one
// given.
func (r *copyReader) addresses(rec *record.Record, known journal.Record) (found map[int]string, unsure bool) {
	found = map[int]string{}
	people := append([]record.Participant{rec.Sender()}, rec.To...)
	table := r.form.Mapping
	for entry := range strings.FieldsSeq(known.Named) {
		who, source, _ := strings.Cut(entry, "=")
		i, err := strconv.Atoi(who)
		if err != nil || i < 0 || i >= len(people) {
			return nil, true
		}
		if source == "csv" {
			if table == nil || table.Version() != known.Mapping {
				unsure = true
				continue
			}
			e164, _ := r.numbers.E164(people[i].Value, r.form.Region)
			found[i], _ = table.Lookup(e164, rec.Time)
			continue
		}
		n, err := strconv.Atoi(source)
		if err != nil || n < 1 || n > len(people[i].Emails) {
			return nil, true
		}
		found[i] = record.EmailAddress(people[i].Emails[n-1])
	}
	return found, unsure
}

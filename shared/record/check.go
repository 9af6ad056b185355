package record

import "time"

// Check says whether the record can be archived as what it claims to be. A *Fault means: quarantine
// this record, and only this one. A date is never invented: an impossible one is a fault.
func Check(r *Record) error {
	switch {
	case r.ID == "":
		return &Fault{"messageId", "has no identity"}
	case r.Time.IsZero():
		return &Fault{"messageTime", "is missing or not in the form of RFC 3339"}
	case r.Time.Year() < 2000:
		return &Fault{"messageTime", "lies before the year 2000"}
	case !r.Archived.IsZero() && r.Time.After(r.Archived.Add(24*time.Hour)):
		return &Fault{"messageTime", "lies more than 24 hours after the item was archived"}
	case r.Archived.IsZero() && r.Time.Year() > 9999:
		return &Fault{"messageTime", "lies after the year 9999"}
	}
	return nil
}

package record

import "time"

// Check returns an error if the record cannot be archived. It is a *Fault: this record, and only this one, is
// quarantined. A date is never invented: an impossible one is a fault.
func Check(r *Record) error {
	switch {
	case r.ID == "":
		return &Fault{Field: "messageId", Reason: "has no identity", ID: r.ID, SHA256: r.SHA256}
	case r.Time.IsZero():
		return &Fault{
			Field: "messageTime", Reason: "is missing or not in the form of RFC 3339", ID: r.ID, SHA256: r.SHA256,
		}
	case r.Time.Year() < 2000:
		return &Fault{Field: "messageTime", Reason: "lies before the year 2000", ID: r.ID, SHA256: r.SHA256}
	case !r.Archived.IsZero() && r.Time.After(r.Archived.Add(24*time.Hour)):
		return &Fault{
			Field: "messageTime", Reason: "lies more than 24 hours after the item was archived",
			ID: r.ID, SHA256: r.SHA256,
		}
	case r.Archived.IsZero() && r.Time.Year() > 9999:
		return &Fault{Field: "messageTime", Reason: "lies after the year 9999", ID: r.ID, SHA256: r.SHA256}
	}
	return nil
}

// Package source is the contract between the sources of items and everything that follows the batch. An entry of a
// batch names its source, and Parse reads it accordingly. Each source has a package of its own below this one, with its
// format; what requests items from a source is in a package of its own again, which only fetch links.
//
// A source MUST have a name of its own if its message ids are not those of another source: name and id together
// identify a message (record.Key), and a message is imported once.
package source

import (
	"cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/telemessage"
)

// Parse converts a batch's entry into its record, by the entry's source and form: items of TeleMessage come as JSON or
// as e-mail messages. All of its errors are a *record.Fault: this
// entry, and nothing else, is quarantined. That includes an entry of an unknown source, which a replay by a later
// version of the program reads again.
func Parse(e record.Entry) (*record.Record, error) {
	switch cmp.Or(e.Source, record.TeleMessage) {
	case record.TeleMessage:
		if e.Mail != nil {
			return delivery.Parse(e)
		}
		return telemessage.Parse(e)
	case record.GenericEML:
		return delivery.Parse(e)
	}
	f := &record.Fault{Field: "source", Reason: "is not one that this version of the program knows", ID: e.ID}
	switch {
	case e.RawHash != "":
		f.SHA256 = e.RawHash
	case len(e.Items) > 0:
		f.SHA256 = e.Items[0].SHA256
	}
	if f.ID == "" && f.SHA256 != "" {
		f.ID = "sha256:" + f.SHA256
	}
	return nil, f
}

package delivery

import (
	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery/mimeread"
)

const (
	reportHeader = "X-MS-Journal-Report"
	idHeader     = vendorPrefix + "ArchiveMessageID"
)

// isReport reports whether a message states that it is a journal report, and is no item itself.
func isReport(h mimeread.Header) bool { return h.Has(reportHeader) && trimColon(h.Get(idHeader)) == "" }

// isItem reports whether a message in a message is the item, or a further report around it, because the outer one is a
// journal report. Some programs write fields of the vendor's into the report, too, but not the identity of the item. An
// item, also one without an identity, and a message of another archive may have an item as an attachment, and are no
// reports then.
func (d *description) isItem(outer, inner mimeread.Header) bool {
	switch {
	case isReport(outer):
		return true
	case d.o.Source == record.GenericEML || outer.Has(vendorPrefix):
		return false
	}
	return inner.Has(vendorPrefix)
}

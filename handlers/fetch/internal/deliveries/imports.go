package deliveries

import (
	"fmt"

	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/zipread"
)

// ImportsFolder is the folder into which an administrator puts ZIPs of messages of other archives, in the folder into
// which the vendor delivers.
const ImportsFolder = "imports"

// Import holds the settings of messages of other archives. A ZIP has those that were set when it was planned, so that
// its batches do not depend on when they are written.
type Import struct {
	Kind         record.Kind `json:"kind,omitempty"`
	Network      string      `json:"network,omitempty"`
	NumberHeader string      `json:"numberHeader,omitempty"`
}

// form is what distinguishes an intake of another archive's messages from that of the vendor's deliveries, besides how
// ZIPs are judged.
type form struct {
	name       string // of the intake, in the log
	state      string // document in the container checkpoints, whose lease a run holds
	progress   string // document in the container checkpoints
	past       string // document in the container checkpoints
	manifest   string // kind of a run's manifest
	keys       string // before the path in a key: a copy is never that of the other intake
	again      string // what to do about a ZIP that was not read
	incomplete string // what the outcome Incomplete means

	// report returns the name of a run's report in the container status.
	report func(folder string) string
}

// form returns the form of the intake that has these rules.
func (r Rules) form() form {
	if r.Import == nil {
		return form{name: "deliveries", state: StateName, progress: "delivery-progress.json",
			past: "delivery-past.json", report: archive.DeliveryReport, manifest: "delivery",
			again:      "ask the vendor to send it again",
			incomplete: "a delivery is not what its manifest states; what is there was read"}
	}
	return form{name: "imports", state: ImportsStateName, progress: "imports-progress.json",
		past: "imports-past.json", report: archive.ImportReport, manifest: "import", keys: "imports/",
		again:      "put it into the folder imports again",
		incomplete: "not all of an import was read; what can be read was"}
}

// parseName returns what the name of a file tells, and whether the file is to be read. misplaced reports a ZIP of the
// vendor's in the folder imports. There each of its items would be another message than by the vendor's delivery, and
// would be imported twice.
func (r Rules) parseName(name string) (n delivery.Name, ok, misplaced bool) {
	n, ok = delivery.ParseName(name)
	if r.Import == nil {
		return n, ok, false
	}
	return delivery.Name{}, !ok && delivery.IsZIP(name), ok
}

// messageOptions returns how the messages of a ZIP are read.
func (z *ZIP) messageOptions() delivery.Options {
	if z.Import == nil {
		return delivery.Options{Domains: z.Domains}
	}
	return delivery.Options{Source: record.GenericEML, Kind: z.Import.Kind, Network: z.Import.Network,
		NumberField: z.Import.NumberHeader}
}

// judgeImport returns how many files of a ZIP are no messages, and what is not as it should be. The ZIP has no manifest
// to be compared with.
func judgeImport(entries []zipread.Entry) (others int, reasons []string) {
	messages := 0
	for _, e := range entries {
		switch {
		case e.Kind == zipread.Message:
			messages++
		case e.Problem != zipread.Folder && !zipread.IsSystemFile(e.Name):
			others++
		}
	}
	if messages == 0 {
		reasons = append(reasons, "there is no message in it: no file *.eml")
	}
	if others > 0 {
		reasons = append(reasons, fmt.Sprintf("files that are no messages and were not read: %d", others))
	}
	return others, reasons
}

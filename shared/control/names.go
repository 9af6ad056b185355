package control

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"o2archiver/shared/archive/layout"
)

// The names of blobs. A command is in the container of the commands as <app>/<name>.json, and its answer in that of its
// app as answers/<name>.json.
const (
	answersFolder = "answers/"
	historyFolder = "history/" // of the container settings
	connectorBlob = "connector.json"
	ending        = ".json"
)

var nameForm = regexp.MustCompile(`^\d{8}T\d{6}Z-[0-9a-f]{8,32}$`)

// Name returns the name of a command that is given at that time. id is 8 to 32 hex digits in lower case.
func Name(at time.Time, id string) string { return layout.Stamp(at) + "-" + id }

// parseName returns the time in the name of a command.
func parseName(name string) (asked time.Time, ok bool) {
	if !nameForm.MatchString(name) {
		return time.Time{}, false
	}
	stamp, _, _ := strings.Cut(name, "-")
	asked, err := layout.ParseStamp(stamp)
	return asked, err == nil
}

// commandFolder returns the beginning of the names of the blobs of an app's commands.
func commandFolder(app string) string { return app + "/" }

// commandBlob returns the name of the blob of a command.
func commandBlob(app, name string) string { return commandFolder(app) + name + ending }

// commandIn returns the name of the command of an app that is in a blob. ok is false if none is.
func commandIn(app, blob string) (name string, ok bool) {
	name, inFolder := strings.CutPrefix(blob, commandFolder(app))
	name, ends := strings.CutSuffix(name, ending)
	_, ok = parseName(name)
	return name, ok && inFolder && ends
}

// answerBlob returns the name of the blob of the answer to a command.
func answerBlob(name string) string { return answersFolder + name + ending }

// HistoryName returns the name of a former document in the container settings.
func HistoryName(n int) string { return fmt.Sprintf("%s%06d%s", historyFolder, n, ending) }

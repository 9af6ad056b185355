// Package layout defines the names of the days and runs of the archive, which are the same in all containers: a run's
// batches, logs, reports and totals have its folder, <yyyy>/<mm>/<dd>/<run>, in their names. Package archive defines
// what is in a run and in a container.
//
// The package is pure and imports the standard library only, so that a plan can name its runs without the storage.
package layout

import (
	"strings"
	"time"
)

const (
	dayForm   = "2006/01/02"
	monthForm = "2006/01/"
	yearForm  = "2006/"
	stampForm = "20060102T150405Z"
)

// Day returns the day of a time in UTC, as names begin with it: 2026/11/28.
func Day(t time.Time) string { return t.UTC().Format(dayForm) }

// ParseDay returns the beginning of a day. It is the inverse of Day.
func ParseDay(day string) (time.Time, error) { return time.Parse(dayForm, day) }

// ISODay returns a day of the archive as ISO 8601 writes it: 2026-11-28.
func ISODay(day string) string { return strings.ReplaceAll(day, "/", "-") }

// DayOf returns the day with which the name of a run, or of what is in a run, begins. A shorter name is returned whole.
func DayOf(name string) string { return name[:min(len(name), len(dayForm))] }

// DayFolder returns the beginning of the names of all runs of a day.
func DayFolder(day string) string { return day + "/" }

// MonthFolder returns the beginning of the names of all days of a time's month in UTC: 2026/11/.
func MonthFolder(t time.Time) string { return t.UTC().Format(monthForm) }

// YearFolder returns the beginning of the names of all days of a time's year in UTC: 2026/.
func YearFolder(t time.Time) string { return t.UTC().Format(yearForm) }

// AfterDay returns a text that sorts after the names of all runs of a day, and before those of the next.
func AfterDay(day string) string { return DayFolder(day) + "~" }

// Stamp returns a time in UTC as it is written within a name, in whole seconds: 20261128T053000Z.
func Stamp(t time.Time) string { return t.UTC().Format(stampForm) }

// ParseStamp returns the time of a stamp. It is the inverse of Stamp.
func ParseStamp(stamp string) (time.Time, error) { return time.Parse(stampForm, stamp) }

package usermap

import (
	"maps"
	"slices"
	"strconv"
)

// Difference is what a file changes against another one, each list sorted by number.
type Difference struct{ Added, Removed, Changed []Change }

// Change is what a file changes for one number.
type Change struct {
	Number   string   // E.164
	Old, New []string // mailboxes, each with its days if it has any; nil if the number is not in that file
}

// Compare returns what the file new changes against old. A nil Table is no file.
func Compare(old, new *Table) (d Difference) {
	before, after := map[string][]row{}, map[string][]row{}
	if old != nil {
		before = old.rows
	}
	if new != nil {
		after = new.rows
	}
	for _, number := range slices.Sorted(maps.Keys(after)) {
		c := Change{Number: number, Old: describeRows(before[number]), New: describeRows(after[number])}
		switch {
		case c.Old == nil:
			d.Added = append(d.Added, c)
		case !slices.Equal(c.Old, c.New):
			d.Changed = append(d.Changed, c)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(before)) {
		if _, still := after[number]; !still {
			d.Removed = append(d.Removed, Change{Number: number, Old: describeRows(before[number])})
		}
	}
	return d
}

// describeRows returns the mailboxes of one number in the order of their days.
func describeRows(rows []row) (all []string) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b row) int { return int(a.first - b.first) })
	for _, r := range rows {
		text := r.address
		if r.first != always {
			text += " from " + r.first.String()
		}
		if r.last != ever {
			text += " to " + r.last.String()
		}
		all = append(all, text)
	}
	return all
}

// String returns the day as 2026-11-22.
func (d day) String() string {
	text := strconv.Itoa(int(d))
	if len(text) != 8 {
		return text
	}
	return text[:4] + "-" + text[4:6] + "-" + text[6:]
}

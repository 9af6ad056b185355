package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"o2archiver/shared/settings"
	"o2archiver/shared/usermap"
)

// mapping is the CSV file that the command line names. It is read before anything is started, so that its mistakes are
// reported at once.
type mapping struct {
	data  []byte
	table *usermap.Table
}

// readMapping reads the file as import will.
func readMapping(file string, lookup func(string) (string, bool)) (*mapping, error) {
	r := settings.Read(lookup)
	region := r.String("DEFAULT_REGION")
	if err := r.Err(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	table, err := usermap.ParseCSV(bytes.NewReader(data), region)
	if err != nil {
		return nil, err
	}
	return &mapping{data, table}, nil
}

// checkMapping implements -check-mapping: it returns the exit code, and starts nothing.
func checkMapping(file string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	m, err := readMapping(file, lookup)
	if err != nil {
		fmt.Fprintln(stderr, "local: -check-mapping:", err)
		return 2
	}
	fmt.Fprintf(stdout, "The mapping file can be used: its %d rows map %d numbers to %d mailboxes.\n",
		m.table.Rows(), m.table.Len(), len(m.table.Addresses()))
	for _, d := range m.table.Dates() {
		fmt.Fprintf(stdout, "%d of its dates were read as %s: in line %d, %s is %s.\n",
			d.Count, d.Name, d.Line, d.Given, d.Read)
	}
	fmt.Fprintln(stdout, "Whether the mailboxes are those of users is asked of the tenant at the import.")
	return 0
}

// warn prints how many of the file's mailboxes the Graph stand-in does not have. For their numbers import uses the
// email property, or finds no mailbox; neither is a mistake.
func (w *world) warn(m *mapping, out io.Writer) {
	if m == nil || w.graph == nil {
		return
	}
	known := map[string]bool{}
	for _, u := range w.graph.Users() {
		if u.MailboxCode != "" {
			continue
		}
		for _, address := range append([]string{u.UPN, u.Mail}, u.Proxy...) {
			known[strings.TrimPrefix(strings.ToLower(address), "smtp:")] = true
		}
	}
	strange, all := 0, m.table.Addresses()
	for _, address := range all {
		if !known[address] {
			strange++
		}
	}
	if strange > 0 {
		fmt.Fprintf(out, "-mapping: %d of %d mailboxes in the CSV are not users of this tenant; the email property "+
			"decides for their numbers (local/sample/mapping.csv goes with the sample day)\n",
			strange, len(all))
	}
}

package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"o2archiver/local/sample"
	"o2archiver/shared/source/delivery/deliverytest"
)

// historyName is the name of the ZIP of another archive, within the folder of the deliveries.
const historyName = "imports/history.zip"

// makeHistory returns a ZIP of messages that another archive exported, a year before the sample day: two between people
// who have mailboxes, and one to an address elsewhere.
func makeHistory(day *sample.Day) ([]byte, error) {
	var people []string
	for _, u := range day.Users {
		if u.MailboxCode == "" && !u.Disabled && u.Mail != "" {
			people = append(people, u.Mail)
		}
	}
	if len(people) < 2 {
		return nil, errors.New("the sample day has too few people with a mailbox")
	}
	var entries [][2]string
	for i, m := range [][3]string{{people[0], people[1], "This was archived before"},
		{people[1], people[0], "And so was the answer"},
		{people[0], "someone@elsewhere.example", "This went elsewhere"}} {
		entries = append(entries, [2]string{fmt.Sprintf("%d.eml", i+1), fmt.Sprintf(
			"Message-ID: <history-%d@contoso.example>\r\nDate: %s\r\nFrom: %s\r\nTo: %s\r\n"+
				"Subject: SMS\r\nContent-Type: text/plain\r\n\r\n%s\r\n", i+1,
			day.Start.AddDate(-1, 0, 0).Add(time.Duration(i)*time.Minute).Format(time.RFC1123Z), m[0], m[1], m[2])})
	}
	return deliverytest.ZIP(zip.Deflate, entries...), nil
}

// writeHistory puts the ZIP into the folder of an SFTP server, unless an earlier start has.
func writeHistory(dir string, day *sample.Day) error {
	file := filepath.Join(dir, filepath.FromSlash(historyName))
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := makeHistory(day)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err == nil {
		at := time.Now().Add(-time.Hour) // its upload has ended
		err = os.Chtimes(file, at, at)
	}
	return err
}

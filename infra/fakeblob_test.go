package infra

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The Blob service as az reaches it. Its blobs are files in the folder FAKE_STORE, one folder for each container, which
// a test can read and write. What goes wrong is in the environment:
//
//	FAKE_DENIED       containers, or verbs of containers (upload:commands), that are refused as without a role
//	FAKE_SAYS         what az writes in place of every answer
//	FAKE_LOST         the number of uploads that are carried out while the answer to each is lost
//	FAKE_RACE         the content that another client writes into connector.json before the first upload
//	FAKE_ANSWERS      a file, JSON: for each container the answers to be found there, one for each question
const fakeStore = "FAKE_STORE"

var errFake = errors.New("refused")

// fakeBlob answers one command of az storage blob.
func fakeBlob(dir, verb string, flags map[string]string) (out string, code int) {
	container, name := flags["--container-name"], flags["--name"]
	complain := func(format string, args ...any) (string, int) {
		fmt.Fprintf(os.Stderr, "az storage blob %s: "+format+"\n", append([]any{verb}, args...)...)
		return "", 1
	}
	if flags["--account-name"] != "archive1" || flags["--auth-mode"] != "login" || name == "" {
		return complain("account, sign-in and name have to be given: %v", flags)
	}
	if !slices.Contains([]string{"commands", "settings", "status", "reports"}, container) {
		return complain("The specified container does not exist. ErrorCode:ContainerNotFound")
	}
	if says := os.Getenv("FAKE_SAYS"); says != "" {
		fmt.Fprintln(os.Stderr, "ERROR: "+says)
		return "", 1
	}
	denied := strings.Fields(os.Getenv("FAKE_DENIED"))
	if slices.Contains(denied, container) || slices.Contains(denied, verb+":"+container) {
		return complain("You do not have the required permissions needed to perform this operation.")
	}
	b := fakeFile{filepath.Join(os.Getenv(fakeStore), container, filepath.FromSlash(name))}
	if strings.HasPrefix(name, "answers/") {
		if err := b.answer(dir, container, verb); err != nil {
			return complain("%v", err)
		}
	}
	etag := b.etag()
	switch verb {
	case "exists":
		return strconv.FormatBool(etag != "") + "\n", 0
	case "show":
		if etag == "" {
			_, _ = complain("The specified blob does not exist. ErrorCode:BlobNotFound")
			return "", 3
		}
		return map[string]string{"properties.etag": etag + "\n"}[flags["--query"]], 0
	case "download":
		if etag == "" {
			return complain("The specified blob does not exist. ErrorCode:BlobNotFound")
		}
		if want, ok := flags["--if-match"]; ok && want != etag {
			return complain("The condition specified using HTTP conditional header(s) is not met.")
		}
		content, err := os.ReadFile(b.file)
		if err == nil {
			err = os.WriteFile(flags["--file"], content, 0o666) // as far as the umask allows
		}
		if err != nil {
			return complain("%v", err)
		}
		return "", 0
	}
	if err := b.upload(dir, flags); err != nil {
		return complain("%v", err)
	}
	return "", 0
}

// fakeFile is one blob.
type fakeFile struct{ file string }

// etag returns the ETag, or "" if there is no such blob. It differs for each content.
func (b fakeFile) etag() string {
	content, err := os.ReadFile(b.file)
	if err != nil {
		return ""
	}
	return `"0x` + strings.ToUpper(sha(string(content))[:15]) + `"`
}

// upload is Put Blob. Without --overwrite and without a condition az adds If-None-Match: *.
func (b fakeFile) upload(dir string, flags map[string]string) error {
	source, err := os.Stat(flags["--file"])
	if err != nil {
		return err
	}
	folder, err := os.Stat(filepath.Dir(flags["--file"]))
	if err != nil {
		return err
	}
	if source.Mode().Perm()&0o077 != 0 || folder.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others: %v", source.Name(), source.Mode())
	}
	if race := os.Getenv("FAKE_RACE"); race != "" && filepath.Base(b.file) == "connector.json" &&
		count(dir, "race", 1) == 1 {
		if err := b.write(race); err != nil {
			return err
		}
	}
	etag := b.etag()
	match, conditional := flags["--if-match"]
	absent := flags["--if-none-match"]
	switch {
	case conditional && absent != "" || absent != "" && absent != "*":
		return fmt.Errorf("conditions: %w", errFake)
	case flags["--overwrite"] == "" && !conditional && etag != "", absent == "*" && etag != "":
		return errors.New("The specified blob already exists. ErrorCode:BlobAlreadyExists")
	case conditional && match != etag:
		return errors.New("The condition specified using HTTP conditional header(s) is not met. " +
			"ErrorCode:ConditionNotMet")
	}
	content, err := os.ReadFile(flags["--file"])
	if err == nil {
		err = b.write(string(content))
	}
	if err == nil && count(dir, "lost", 1) <= setting("FAKE_LOST") {
		return errors.New("Connection aborted")
	}
	return err
}

func (b fakeFile) write(content string) error {
	return cmp.Or(os.MkdirAll(filepath.Dir(b.file), 0o700), os.WriteFile(b.file, []byte(content), 0o600))
}

// answer writes the next answer of the app; an empty one is none, and !away is storage that does not answer. The last
// one stays.
func (b fakeFile) answer(dir, container, verb string) error {
	if os.Getenv("FAKE_ANSWERS") == "" {
		return nil
	}
	raw, err := os.ReadFile(os.Getenv("FAKE_ANSWERS"))
	if err != nil {
		return err
	}
	var answers map[string][]string
	if err := json.Unmarshal(raw, &answers); err != nil || len(answers[container]) == 0 {
		return err
	}
	add := 0
	if verb == "exists" {
		add = 1
	}
	all := answers[container]
	switch now := all[min(count(dir, "answers-"+container, add), len(all))-1]; now {
	case "":
		return nil
	case "!away":
		return errors.New("Max retries exceeded")
	default:
		return b.write(now)
	}
}

// Command local runs the whole connector on this machine: Azurite as the storage, stand-ins for the TeleMessage site,
// for Microsoft Graph and for the Functions host (or the real host), and the same handlers that are deployed.
//
//	go run ./local
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"o2archiver/local/export"
	"o2archiver/local/inspect"
	"o2archiver/local/summary"
	"o2archiver/shared/report"
	"o2archiver/shared/settings"
	"o2archiver/shared/usermap"
)

// options holds the command line's flags.
type options struct {
	json    bool
	mapping string
	check   string
	inspect string
	keep    bool
	portal  bool
	storage string
	export  string
	host    string
	source  string
	imports bool
	texts   int
	limit   time.Duration

	portalHost string // of the app portal alone, for a test; "": host
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run returns the exit code: 0 only if both sums hold, the source's count equals what was received, and nothing is
// pending or failed; 1 if not; 2 for a wrong command line or setting, and for files that can't be used.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case o.check != "":
		return checkMapping(o.check, lookup, stdout, stderr)
	case o.inspect != "":
		if err := inspect.Folder(o.inspect, stdout); err != nil {
			fmt.Fprintln(stderr, "local: -inspect-delivery:", err)
			return 2
		}
		return 0
	}
	// Report unusable settings and files before the day instead of after it.
	if o.source, err = chooseSource(o.source, lookup); err != nil {
		fmt.Fprintln(stderr, "local:", err)
		return 2
	}
	if o.imports && !isDelivery(o.source) {
		fmt.Fprintf(stderr, "local: -imports goes with -source %s or %s\n", fromSFTP, fromLanding)
		return 2
	}
	if err := checkSettings(o.source, lookup); err != nil {
		fmt.Fprintf(stderr, "local: nothing was started, because of the settings (docs/settings.md):\n%v\n", err)
		return 2
	}
	var custom *mapping
	if o.mapping != "" {
		if custom, err = readMapping(o.mapping, lookup); err != nil {
			fmt.Fprintln(stderr, "local: -mapping:", err)
			return 2
		}
	}
	if o.export != "" {
		if err := emptyFolder(o.export); err != nil {
			fmt.Fprintln(stderr, "local: -export:", err)
			return 2
		}
	}
	if err := checkReach(ctx, o.source, lookup); err != nil {
		fmt.Fprintf(stderr, "local: nothing was started:\n%v\n", err)
		return 1
	}
	if lookup, err = pinHostKey(ctx, o.source, lookup, stderr); err != nil {
		fmt.Fprintln(stderr, "local:", err)
		return 2
	}
	untilInterrupted := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit,
		fmt.Errorf("the run took longer than %v (see -limit)", o.limit))
	defer cancel()
	began := time.Now()
	w, err := startWorld(ctx, o, custom, lookup, stderr)
	if err != nil && ctx.Err() != nil { // the error of a child that was ended is of no use
		fmt.Fprintln(stderr, "local: ended before the day began:", context.Cause(ctx))
		return 1
	}
	if err != nil {
		fmt.Fprintln(stderr, "local:", err)
		return 1
	}
	defer w.stop()
	if o.portal {
		w.tellPortal(stdout, stderr)
		fmt.Fprintln(stderr, "\nEverything keeps running. Ctrl-C ends it.")
		w.keepRunning(untilInterrupted)
		return 0
	}
	if o.json {
		w.tellPortal(stderr, stderr) // standard output is the JSON object only
	} else {
		w.tellPortal(stdout, stderr)
	}
	drove := w.drive(ctx, stderr, "")
	// Summarize what there is after any failure, and after an interruption too.
	telling, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer done()
	s, err := report.ReadSummary(telling, w.store)
	if err != nil {
		fmt.Fprintln(stderr, "local: the summary can't be made:", err)
		return 1
	}
	if o.json {
		_ = json.NewEncoder(stdout).Encode(s)
	} else {
		summary.PrintText(stdout, s, time.Since(began))
		w.whereToLook(stdout)
	}
	problems := s.Problems()
	if drove != nil {
		problems = append([]string{drove.Error()}, problems...)
	}
	if o.export != "" {
		said := stdout
		if o.json {
			said = stderr // standard output is the JSON object only
		}
		problems = append(problems, w.export(ctx, lookup, said)...)
	}
	for _, p := range append(problems, w.log.errors()...) {
		fmt.Fprintln(stderr, "local:", p)
	}
	if o.keep && ctx.Err() == nil {
		fmt.Fprintln(stderr, "\nEverything keeps running. Ctrl-C ends it.")
		w.keepRunning(untilInterrupted)
	}
	if len(problems) > 0 {
		return 1
	}
	return 0
}

// maxSinglePost equals mailbox.MaxSinglePost. It is copied because package mailbox imports the Graph SDK, which takes
// minutes to compile.
const maxSinglePost = 3_140_000

// export writes what the archive has imported into the folder of -export, and returns what went wrong.
func (w *world) export(ctx context.Context, lookup func(string) (string, bool), said io.Writer) (problems []string) {
	r := settings.Read(lookup) // as the app import reads them
	o := export.Options{Address: w.address,
		Form: report.Form{Region: r.String("DEFAULT_REGION"), MaxItem: r.Bytes("MAX_ITEM_SIZE")}}
	if !settings.UploadSessions(r.String("AZURE_CLOUD")) {
		o.MaxFile = maxSinglePost
	}
	if err := r.Err(); err != nil {
		return []string{"nothing was exported: " + err.Error()}
	}
	if data, _, err := w.store.Mapping().Read(ctx, ""); err == nil {
		// Import has parsed the same file, or has imported nothing with it.
		o.Mapping, _ = usermap.ParseCSV(bytes.NewReader(data), o.Region)
	}
	got, err := export.To(ctx, w.options.export, w.store, o)
	if err != nil {
		fmt.Fprintf(said, "\nThe export did not end; %d messages of %d mailboxes are in %s, without an index.\n",
			got.Messages, got.Mailboxes, w.options.export)
	} else {
		fmt.Fprintf(said, "\nexported %d messages of %d mailboxes to %s; %s there lists them\n",
			got.Messages, got.Mailboxes, w.options.export, export.Index)
	}
	if got.Unproven > 0 {
		fmt.Fprintf(said,
			"  %d of them can't be held against a hash of the journal: it has none, or\n"+
				"  the mapping has changed since\n",
			got.Unproven)
	}
	if got.Failed > 0 {
		problems = append(problems, fmt.Sprintf("%d messages could not be exported", got.Failed))
		for _, r := range got.Reasons {
			problems = append(problems, r.String())
		}
	}
	if err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// emptyFolder creates a folder, or accepts an empty one: other files in it would look exported.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(dir)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("the folder %s is not empty; name a new one", dir)
	}
	return err
}

// address returns the address of a mailbox of the Graph stand-in, or "" for any other mailbox.
func (w *world) address(id string) string {
	if w.graph == nil {
		return ""
	}
	for _, u := range w.graph.Users() {
		if strings.EqualFold(u.ID, id) {
			return u.Mail
		}
	}
	return ""
}

const usage = `Usage: go run ./local [flags]

Runs the whole connector on this machine with a sample day, and ends with a
summary (docs/local.md). Settings (docs/settings.md) are taken from the
environment. With TELEMESSAGE_URL, DELIVERY_SFTP_HOST, DELIVERY_LANDING,
GRAPH_URL or ARCHIVE_STORAGE among them, that service is used in place of its
stand-in.
Exit status: 0 all is well; 1 something is pending, failed or missing; 2 the
command line, a setting or a file is wrong, and nothing was started.

`

// parseOptions parses the command line. It returns flag.ErrHelp if help was requested.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("local", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.json, "json", false, "print the summary as one JSON object")
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.StringVar(&o.mapping, "mapping", "",
		"use this CSV `file` as the custom mapping; local/sample/mapping.csv goes\nwith the sample day")
	f.StringVar(&o.check, "check-mapping", "",
		"only check whether this CSV `file` can be used as the custom mapping")
	f.StringVar(&o.inspect, "inspect-delivery", "",
		"only read the ZIPs that the vendor delivered into this `folder`, and\n"+
			"report, without any content, which assumptions of docs/delivery.md hold")
	f.BoolVar(&o.keep, "keep", false,
		"keep everything running after the summary, with the portal, whose\naddress is printed at the start")
	f.BoolVar(&o.portal, "portal", false,
		"start with an archive that is not set up, print the address of the\nportal, and keep everything running")
	f.StringVar(&o.storage, "storage", "",
		"keep the data in this `folder`; the next start goes on where this\none ended")
	f.StringVar(&o.export, "export", "",
		"write what was imported into this `folder`, new or empty: .eml files in\n"+
			"one folder per mailbox, and an index.csv")
	f.StringVar(&o.host, "host", "standin",
		"what runs the functions: standin, or func (Azure Functions Core\nTools)")
	f.StringVar(&o.source, "source", "",
		"where the items come from: telemessage (the site), or, as the vendor's\nZIPs, sftp (an SFTP server) or "+
			"landing (a container); by default what\nSOURCE says, else telemessage")
	f.BoolVar(&o.imports, "imports", false,
		"with -source sftp or landing of this machine: put a ZIP of another\n"+
			"archive's messages into the folder imports, too")
	f.IntVar(&o.texts, "texts", 1500,
		"take this `number` of texts into the sample day, 0 for all of the\n"+
			"collection; any number keeps every irregularity")
	f.DurationVar(&o.limit, "limit", 3*time.Hour, "end after this time, whatever is left")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	wrong := ""
	switch {
	case f.NArg() > 0:
		wrong = fmt.Sprintf("there are no arguments besides the flags, and %q is one", f.Arg(0))
	case o.host != "standin" && o.host != "func":
		wrong = fmt.Sprintf("-host is standin or func, not %q", o.host)
	case o.limit <= 0:
		wrong = "-limit has to be above 0"
	case o.portal && !canServeVault():
		wrong = "-portal needs Linux, where programs take the certificate of the vault's\nstand-in from SSL_CERT_FILE"
	case o.portal && (o.json || o.keep || o.export != "" || o.mapping != ""):
		wrong = "-portal has no day of its own: -json, -keep, -export and -mapping do not go with\nit"
	case o.texts < 0:
		wrong = "-texts can't be below 0"
	default:
		return o, nil
	}
	fmt.Fprintln(stderr, "local:", wrong)
	f.Usage()
	return o, errors.New("wrong command line")
}

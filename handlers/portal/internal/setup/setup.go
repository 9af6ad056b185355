// Package setup is the part of the portal on which an administrator sets the connector up, and changes one setting
// later: terms of service, the account at the source, the mapping of numbers to mailboxes, domains, sizes, the start.
//
// What is entered is kept as a draft of the person until the last step; secrets are tested, stored in Key Vault and
// kept nowhere else. All settings are one document, settings/connector.json, that is replaced under a condition; the
// mapping is one file that is. So a process that dies leaves the former ones or the new ones. A form that comes twice
// has one effect.
package setup

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/archive"
	"o2archiver/shared/audit"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
)

// Secret is a place for one secret, such as a *vault.Writer. What is stored can't be read back.
type Secret interface {
	Store(ctx context.Context, value settings.Secret) error
}

// Options holds what a Setup works with.
type Options struct {
	Settings *archive.Documents // connector.json and the drafts are written
	Mapping  *archive.Mapping
	Reports  *archive.Documents // of import, are read
	Status   *archive.Documents // of fetch, is read
	Deployed settings.SetUp
	Broken   error                       // what is wrong with the settings in Deployed; nil: nothing
	Lookup   func(string) (string, bool) // the environment, over which connector.json takes precedence

	// The places of the secrets; nil if the deployment has none.
	Password, SFTPPassword, SFTPKey, SFTPPassphrase Secret

	Audit *audit.Log // a line is written before each change

	Site http.RoundTripper // to the TeleMessage site; nil: http.DefaultTransport
	// Dial connects to the SFTP server; nil: a dialer that refuses this machine and link-local addresses.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// OnMachine: the portal is tried on one machine, where the SFTP server is, too. The dialer refuses no address.
	OnMachine bool
	Now       func() time.Time
}

// Setup answers the requests for these pages. It keeps no state. It is safe for concurrent use.
type Setup struct{ opts Options }

// New returns a Setup. It makes no request.
func New(o Options) *Setup { return &Setup{o} }

// MaxUpload is the maximum size in bytes of the body of a request to the pages of the mapping: those of a file, and the
// form around it.
const MaxUpload = maxFile + 64<<10

// The names of the settings that these pages change.
const (
	siteUser       = "TELEMESSAGE_USERNAME"
	fetchFrom      = "FETCH_FROM"
	sftpHost       = "DELIVERY_SFTP_HOST"
	sftpUser       = "DELIVERY_SFTP_USERNAME"
	sftpHostKeys   = "DELIVERY_SFTP_HOST_KEYS"
	deliveryFolder = "DELIVERY_FOLDER"
	deliveryFrom   = "DELIVERY_FROM"
	automatic      = "AUTOMATIC_MAPPING"
	custom         = "CUSTOM_MAPPING"
	domains        = "ACCEPTED_DOMAINS"
	maxItemSize    = "MAX_ITEM_SIZE"
)

// errBadForm is a form that no page of this application sends.
var errBadForm = &web.Error{Status: http.StatusBadRequest, Says: "The form is not one of these pages.",
	Do: "Load the page again, and send its form."}

// state is what a request works on.
type state struct {
	connector control.Connector
	draft     draft
	etag      string // of the draft

	number map[string]string // fields of a number that was refused
	now    []row             // what is in force, for a form that was refused because it has changed
}

func (s *Setup) load(r *web.Request) (st state, err error) {
	if st.connector, err = control.LoadConnector(r.Context(), s.opts.Settings); err != nil {
		return st, explainConnector(err)
	}
	st.draft, st.etag, err = s.loadDraft(r.Context(), r.Person)
	return st, err
}

// errSame ends an update that would change nothing.
var errSame = errors.New("it is so already")

// updateConnector changes connector.json, unless change returns errSame, which is no error: a form that comes twice
// must not make the document another one, of which another form would say that it has changed.
func (s *Setup) updateConnector(ctx context.Context, change func(*control.Connector) error) error {
	_, err := control.UpdateConnector(ctx, s.opts.Settings, change)
	if err == nil || errors.Is(err, errSame) {
		return nil
	}
	if _, ok := errors.AsType[*web.Error](err); ok {
		return err
	}
	return explainConnector(err)
}

// explainConnector returns an error about connector.json for a page.
func explainConnector(err error) error {
	if !errors.Is(err, control.ErrConnector) {
		return err
	}
	return &web.Error{Status: http.StatusInternalServerError,
		Says: "The document with the settings can't be used: " + err.Error() + ".",
		Do: "Put a former one of settings/history in its place, or correct it, in the container settings of the " +
			"archive's storage. The apps go on with the one that they read before."}
}

// value returns the text of a setting that is in force, without blanks around it, as the apps read it: of
// connector.json, or else of the environment.
func (s *Setup) value(c control.Connector, name string) string {
	v, _ := settings.Overlay(s.opts.Lookup, c.Settings)(name)
	return strings.TrimSpace(v)
}

// reader returns a Reader of the settings that are in force.
func (s *Setup) reader(c control.Connector) *settings.Reader {
	return settings.Read(settings.Overlay(s.opts.Lookup, c.Settings))
}

// bySFTP reports whether deliveries come by an SFTP server.
func (s *Setup) bySFTP() bool {
	d := s.opts.Deployed
	return d.Source == settings.Deliveries && d.Landing == nil
}

// record writes a line of the audit log: what the sender of a form is about to do. Without it the change MUST NOT be
// made. A form that comes twice is recorded once.
func (s *Setup) record(r *web.Request, what audit.Action, object, says string) error {
	return web.ExplainAudit(s.opts.Audit.Append(r.Context(), audit.Entry{By: r.Person.ID, Name: r.Person.Name,
		Role: r.Person.Role.String(), Action: what, Object: object, Says: says, Form: r.FormID}))
}

// stamp returns who sends a request, and when, for connector.json.
func (s *Setup) stamp(r *web.Request) control.Person {
	return control.Person{By: r.Person.ID, Name: r.Person.Name, At: s.opts.Now().UTC().Truncate(time.Second)}
}

// showPage returns a page of these. notice is one of those in notices, or "".
func showPage(name, title, section, notice string, data any) (web.Answer, error) {
	return web.Page(pages.Page{Name: name, Title: title, Section: section, Notice: notices[notice], Data: data}), nil
}

// notices are what a page can say about the form that was sent before: the key is the value of done in its address.
var notices = map[string]string{
	"source":    "The account at the source was tested and stored.",
	"mapping":   "The choice of the mapping was saved.",
	"file":      "The mapping file is in force. Import uses it within a minute.",
	"known":     "The number has this mailbox already, in the file that is in force.",
	"discarded": "The uploaded file was discarded. The one in force is as it was.",
	"domains":   "The accepted domains were saved.",
	"size":      "The rule for sizes was saved.",
	"start":     "The start was saved.",
	"terms":     "The terms were accepted.",
	"finish": "The set-up is finished, and fetch and import are started. The first run begins by the schedule, or " +
		"at once with “Fetch now” under Commands.",
	"finish-paused": "The set-up is finished. Fetch and import are paused: start them under Commands.",
}

package sources

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"time"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/handlers/fetch/internal/sftpserver"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/record"
	"o2archiver/shared/retry"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/sftpstore"
	"o2archiver/shared/status"
	"o2archiver/shared/vault"
)

// deliveryRuns runs the engine of deliveries. Each run has a connection to the server of its own, with credentials that
// were read for it: two invocations in one process do not share them.
type deliveryRuns struct {
	server     *sftpserver.Config // nil: the landing container
	inVault    bool
	options    deliveries.Options // without Store, Rules and Reporter
	status     *status.Writer
	deliveries folder
	imports    folder
}

// folder is a folder that an engine reads.
type folder struct {
	path     string
	accept   func(name string) bool
	optional bool             // it may be missing
	landing  *archive.Landing // nil: it is on the server
	rules    deliveries.Rules
}

// FromDeliveries returns the source that reads what a vendor delivers. It makes no request.
func FromDeliveries(c settings.Delivery, s Services) (*Source, error) {
	runs, err := newDeliveryRuns(c, s)
	if err != nil {
		return nil, err
	}
	return &Source{
		Fetch: func(ctx context.Context, id, input string, log *slog.Logger) (any, error) {
			return runs.fetch(ctx, id, input, log)
		},
		Intake: commands.OfDeliveries(runs), Links: func() []commands.Check { return runs.links(s.Store) },
	}, nil
}

func newDeliveryRuns(c settings.Delivery, s Services) (*deliveryRuns, error) {
	// What has another name than ZIPs to be read is listed, too, and counted: it may be one that was renamed.
	accept := func(name string) bool { return !delivery.IsUnfinished(name) }
	d := &deliveryRuns{
		status: s.Status,
		options: deliveries.Options{Deliveries: s.Store.Deliveries(), Batches: s.Store.Batches(),
			Media: s.Store.Media(), Checkpoints: s.Store.Checkpoints(), Reports: s.Store.Status(), Pause: s.Pause,
			Now: s.Now},
		deliveries: folder{path: c.Folder, accept: accept,
			rules: deliveries.Rules{From: c.From, StableAfter: c.StableAfter, Domains: c.Domains}},
		imports: folder{path: path.Join(c.Folder, deliveries.ImportsFolder), accept: accept, optional: true,
			rules: deliveries.Rules{StableAfter: c.StableAfter, Import: &deliveries.Import{
				Kind: record.Kind(c.Imports.Kind), Network: c.Imports.Network,
				NumberHeader: c.Imports.NumberHeader}}},
	}
	if account := c.Landing; account != nil {
		for _, f := range []*folder{&d.deliveries, &d.imports} {
			landing, err := archive.OpenLanding(archive.Config{ConnectionString: account.ConnectionString.Reveal(),
				BlobURL: account.BlobURL, Credential: s.Credential}, f.path, f.accept)
			if err != nil {
				return nil, fmt.Errorf("DELIVERY_LANDING: %w", err)
			}
			f.landing = landing
		}
		return d, nil
	}
	server := c.SFTP
	keys, err := sftpstore.ParseHostKeys(server.HostKeys)
	if err != nil {
		return nil, fmt.Errorf("DELIVERY_SFTP_HOST_KEYS: %w", err)
	}
	d.server = &sftpserver.Config{Host: server.Host, Username: server.Username, HostKeys: keys,
		Concurrent: server.ConcurrentReads}
	for _, each := range []struct {
		to      *sftpserver.Secret
		from    settings.StoredSecret
		thing   string
		setting string
		script  string
		parse   func(string) (settings.Secret, error)
	}{
		{&d.server.Password, server.Password, "SFTP password", "DELIVERY_SFTP_PASSWORD_SECRET",
			"infra/sftp-secret password", settings.ParsePassword},
		{&d.server.Key, server.Key, "private key", "DELIVERY_SFTP_KEY_SECRET",
			"infra/sftp-secret new-key, or infra/sftp-secret key FILE", settings.ParsePrivateKey},
		{&d.server.Passphrase, server.Passphrase, "passphrase of the private key",
			"DELIVERY_SFTP_KEY_PASSPHRASE_SECRET", "infra/sftp-secret passphrase", settings.ParsePassword},
	} {
		if !each.from.Set() {
			continue
		}
		if each.from.Address == nil {
			*each.to = fixedSecret{each.from.Value}
			continue
		}
		d.inVault = true
		secret, err := vault.Open(vault.Config{Address: each.from.Address, Credential: s.Credential,
			HTTP: s.HTTP, Now: s.Now, Thing: each.thing, Setting: each.setting, Script: each.script,
			Parse: each.parse})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", each.setting, err)
		}
		*each.to = secret
	}
	// What is a setting is checked now, as the others are; what is in the vault is checked by each run.
	if !d.inVault {
		if err := sftpserver.New(*d.server).Validate(context.Background()); err != nil {
			return nil, fmt.Errorf("DELIVERY_SFTP_…: %w", err)
		}
	}
	return d, nil
}

// fixedSecret is a secret that is a setting.
type fixedSecret struct{ value settings.Secret }

// Read implements sftpserver.Secret.
func (f fixedSecret) Read(context.Context) (settings.Secret, error) { return f.value, nil }

// links returns the checks of one check. It makes no request.
func (d *deliveryRuns) links(store *archive.Store) []commands.Check {
	if d.server == nil {
		return commands.LandingLinks(d.deliveries.landing, d.imports.landing, store)
	}
	server := d.connect()
	folder, imports := d.deliveries.on(server), d.imports.on(server)
	return commands.ServerLinks(commands.Place{Server: server, Deliveries: folder, Imports: imports, Close: func() {
		folder.Close()
		imports.Close()
	}}, d.inVault, store)
}

// fetch implements the function fetch. input is empty, or the range of days of which ZIPs are to be read although they
// lie before DELIVERY_FROM.
func (d *deliveryRuns) fetch(ctx context.Context, id, input string, log *slog.Logger) (deliveries.Result, error) {
	if input = strings.TrimSpace(input); input == "" || input == "{}" {
		return d.runAs(ctx, id, log)
	}
	wanted, err := schedule.ParseRange(input)
	if err != nil {
		return deliveries.Result{}, err
	}
	return d.readDaysAs(ctx, id, deliveries.Days{From: wanted.From, To: wanted.To}, log)
}

// on returns the folder of a server.
func (f folder) on(server *sftpserver.Server) *sftpserver.Folder {
	return server.Folder(f.path, sftpstore.Options{Accept: f.accept, Optional: f.optional})
}

var (
	// errShare ends the deliveries of a run.
	errShare = retry.NewTransient("the deliveries have used their share of the run's time")

	// errRefused is shown of a run whose credentials were refused, which the host takes for a success.
	errRefused = errors.New("the SFTP server refuses the credentials")
)

// Run implements commands.Deliveries. What the vendor delivers comes first, and then the folder imports, which is read
// whatever became of the deliveries, unless the server refused this run. A quarter of the run's time is for imports: a
// ZIP that takes all of the time there is would keep them for ever.
func (d *deliveryRuns) Run(ctx context.Context, log *slog.Logger) (deliveries.Result, error) {
	return d.runAs(ctx, rand.Text(), log)
}

// runAs is Run for the invocation id.
func (d *deliveryRuns) runAs(ctx context.Context, id string, log *slog.Logger) (res deliveries.Result, err error) {
	reporter := d.status.Reporter(id, log)
	defer func() { endReport(ctx, reporter, res, err) }()
	server := d.connect()
	own := ctx
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		own, cancel = context.WithTimeoutCause(ctx, time.Until(end)*3/4, errShare)
		defer cancel()
	}
	var refused bool
	run := func(e *deliveries.Intake) (deliveries.Result, error) { return e.Run(own, log) }
	res, refused, err = d.read(server, d.deliveries, reporter, log, run)
	if refused || ctx.Err() != nil {
		return res, err
	}
	imports, _, ierr := d.read(server, d.imports, reporter, log, func(e *deliveries.Intake) (deliveries.Result, error) {
		return e.Run(ctx, log)
	})
	res.Imports = &imports
	if ierr != nil {
		ierr = fmt.Errorf("read the folder imports: %w", ierr)
	}
	return res, errors.Join(err, ierr)
}

// ReadDays implements commands.Deliveries.
func (d *deliveryRuns) ReadDays(ctx context.Context, days deliveries.Days, log *slog.Logger) (
	deliveries.Result, error) {
	return d.readDaysAs(ctx, rand.Text(), days, log)
}

// readDaysAs is ReadDays for the invocation id.
func (d *deliveryRuns) readDaysAs(ctx context.Context, id string, days deliveries.Days, log *slog.Logger) (
	res deliveries.Result, err error) {
	reporter := d.status.Reporter(id, log)
	defer func() { endReport(ctx, reporter, res, err) }()
	run := func(e *deliveries.Intake) (deliveries.Result, error) { return e.ReadDays(ctx, days, log) }
	res, _, err = d.read(d.connect(), d.deliveries, reporter, log, run)
	return res, err
}

// endReport ends what is shown of an invocation.
func endReport(ctx context.Context, r *status.Reporter, res deliveries.Result, err error) {
	if err == nil && (res.Refused || res.Imports != nil && res.Imports.Refused) {
		err = errRefused
	}
	r.End(ctx, err)
}

// CountDays implements commands.Deliveries. A refusal is not logged: the answer to the command says it.
func (d *deliveryRuns) CountDays(ctx context.Context, days deliveries.Days, _ *slog.Logger) (
	zips, bytes int64, err error) {
	var store deliveries.Store = d.deliveries.landing
	if server := d.connect(); server != nil {
		folder := d.deliveries.on(server)
		defer folder.Close()
		store = folder
	}
	err = retry.Do(ctx, func(ctx context.Context) error {
		found, err := store.List(ctx)
		if err == nil {
			zips, bytes = days.Count(found.Files)
		}
		return err
	})
	return zips, bytes, err
}

// connect returns the server for one run, or nil. It makes no request.
func (d *deliveryRuns) connect() *sftpserver.Server {
	if d.server == nil {
		return nil
	}
	return sftpserver.New(*d.server)
}

// read lets an engine read a folder. refused reports that the server refuses the credentials of this run, that they
// cannot be had, or that the server is not the expected one: no further folder needs to be tried.
func (d *deliveryRuns) read(server *sftpserver.Server, f folder, reporter *status.Reporter, log *slog.Logger,
	run func(*deliveries.Intake) (deliveries.Result, error)) (res deliveries.Result, refused bool, err error) {
	o := d.options
	o.Rules, o.Reporter = f.rules, reporter
	if server == nil {
		o.Store = f.landing
	} else {
		store := f.on(server)
		defer store.Close() // so that a run has one connection at a time
		o.Store, o.Server = store, d.server.Host
	}
	res, err = run(deliveries.New(o))
	res.Refused = errors.Is(err, sftpstore.ErrCredentials)
	refused = res.Refused || errors.Is(err, sftpserver.ErrSecret) || errors.Is(err, sftpstore.ErrHostKey)
	return res, refused, reportRefusal(err, log)
}

// reportRefusal logs an error that a person has to act upon, and returns it with the status that the host acts on.
// Refused credentials are reported to the host as a success: it would retry a failure three more times, and each try
// may bring the account closer to being locked. An alert queries the logged event instead.
func reportRefusal(err error, log *slog.Logger) error {
	away, ok := errors.AsType[*vault.Error](err)
	switch {
	case errors.Is(err, sftpstore.ErrCredentials):
		log.Error("the SFTP server refuses the credentials: nothing is copied until they are right, and then "+
			"everything that was delivered; this run does not try again. infra/command check says more",
			"event", "fetch.credentialsRefused", "error", err.Error())
		return nil
	case errors.Is(err, sftpserver.ErrSecret) && ok && away.Away:
		log.Warn("the vault does not give the credentials for the SFTP server: nothing is copied until it does",
			"event", "fetch.passwordUnreadable", "error", err.Error())
		return fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	case errors.Is(err, sftpserver.ErrSecret):
		log.Error("the credentials for the SFTP server can't be used: nothing is copied until they can, and then "+
			"everything that was delivered", "event", "fetch.passwordUnreadable", "error", err.Error())
		return fmt.Errorf("%w: %w", funchost.ErrSettings, err)
	case errors.Is(err, sftpstore.ErrHostKey):
		log.Error("the SFTP server does not have a pinned host key: nothing is copied. Ask the server's operator for "+
			"the key's fingerprint, compare it with what infra/command check shows, and set DELIVERY_SFTP_HOST_KEYS",
			"event", "fetch.hostKeyRefused", "error", err.Error())
		return fmt.Errorf("%w: %w", funchost.ErrSettings, err)
	}
	return err
}

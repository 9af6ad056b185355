package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/handlers/fetch/internal/sftpserver"
	"o2archiver/shared/archive"
	"o2archiver/shared/funchost"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/sftpstore"
	"o2archiver/shared/vault"
)

// deliveryRuns runs the engine of deliveries. Each run has a connection to the server of its own, with credentials that
// were read for it: two invocations in one process do not share them.
type deliveryRuns struct {
	server  *sftpserver.Config // nil: the landing container
	folder  string
	landing *archive.Landing   // nil: a server
	options deliveries.Options // without its Store
	inVault bool
}

// FromDeliveries returns the source that reads what a vendor delivers. It makes no request.
func FromDeliveries(c settings.Delivery, s Services) (*Source, error) {
	runs, err := newDeliveryRuns(c, s)
	if err != nil {
		return nil, err
	}
	return &Source{
		Fetch: func(ctx context.Context, _, input string, log *slog.Logger) (any, error) {
			return runs.fetch(ctx, input, log)
		},
		Intake: commands.OfDeliveries(runs), Links: runs.links(s.Store),
	}, nil
}

func newDeliveryRuns(c settings.Delivery, s Services) (*deliveryRuns, error) {
	d := &deliveryRuns{folder: c.Folder, options: deliveries.Options{
		Deliveries: s.Store.Deliveries(), Batches: s.Store.Batches(), Media: s.Store.Media(),
		Checkpoints: s.Store.Checkpoints(), Reports: s.Store.Status(), Pause: s.Pause, Now: s.Now,
		Rules: deliveries.Rules{From: c.From, StableAfter: c.StableAfter},
	}}
	if account := c.Landing; account != nil {
		landing, err := archive.OpenLanding(archive.Config{ConnectionString: account.ConnectionString.Reveal(),
			BlobURL: account.BlobURL, Credential: s.Credential}, d.folder, delivery.IsDelivery)
		if err != nil {
			return nil, fmt.Errorf("DELIVERY_LANDING: %w", err)
		}
		d.landing = landing
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
		parse   func(string) (settings.Secret, error)
	}{
		{&d.server.Password, server.Password, "SFTP password", "DELIVERY_SFTP_PASSWORD_SECRET",
			settings.ParsePassword},
		{&d.server.Key, server.Key, "private key", "DELIVERY_SFTP_KEY_SECRET", settings.ParsePrivateKey},
		{&d.server.Passphrase, server.Passphrase, "passphrase of the private key",
			"DELIVERY_SFTP_KEY_PASSPHRASE_SECRET", settings.ParsePassword},
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
			HTTP: s.HTTP, Now: s.Now, Thing: each.thing, Setting: each.setting, Parse: each.parse})
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

// links returns the checks.
func (d *deliveryRuns) links(store *archive.Store) []commands.Check {
	if d.server == nil {
		return commands.LandingLinks(d.landing, store)
	}
	return commands.ServerLinks(func() (commands.Server, commands.Store, func()) {
		server := sftpserver.New(*d.server)
		folder := server.Folder(d.folder, delivery.IsDelivery)
		return server, folder, folder.Close
	}, d.inVault, store)
}

// fetch implements the function fetch. input is empty, or the range of days of which ZIPs are to be read although they
// lie before DELIVERY_FROM.
func (d *deliveryRuns) fetch(ctx context.Context, input string, log *slog.Logger) (deliveries.Result, error) {
	if input = strings.TrimSpace(input); input == "" || input == "{}" {
		return d.Run(ctx, log)
	}
	wanted, err := schedule.ParseRange(input)
	if err != nil {
		return deliveries.Result{}, err
	}
	return d.ReadDays(ctx, deliveries.Days{From: wanted.From, To: wanted.To}, log)
}

// Run implements commands.Deliveries.
func (d *deliveryRuns) Run(ctx context.Context, log *slog.Logger) (deliveries.Result, error) {
	return d.run(log, func(e *deliveries.Intake) (deliveries.Result, error) { return e.Run(ctx, log) })
}

// ReadDays implements commands.Deliveries.
func (d *deliveryRuns) ReadDays(ctx context.Context, days deliveries.Days, log *slog.Logger) (
	deliveries.Result, error) {
	return d.run(log, func(e *deliveries.Intake) (deliveries.Result, error) { return e.ReadDays(ctx, days, log) })
}

func (d *deliveryRuns) run(log *slog.Logger, read func(*deliveries.Intake) (deliveries.Result, error)) (
	deliveries.Result, error) {
	o := d.options
	if d.server == nil {
		o.Store = d.landing
		return read(deliveries.New(o))
	}
	server := sftpserver.New(*d.server)
	folder := server.Folder(d.folder, delivery.IsDelivery)
	defer folder.Close()
	o.Store = folder
	res, err := read(deliveries.New(o))
	res.Refused = errors.Is(err, sftpstore.ErrCredentials)
	return res, reportRefusal(err, log)
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

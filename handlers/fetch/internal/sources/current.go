package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/retry"
	"o2archiver/shared/settings"
)

// CurrentOptions holds what a Current works with.
type CurrentOptions struct {
	Name       string                      // SOURCE
	Lookup     func(string) (string, bool) // the environment
	Connector  *control.ConnectorReader    // what the administrator has changed
	Paused     bool                        // PAUSED
	AwaitSetUp bool                        // AWAIT_SETUP
	Services   Services
}

// Current is the source by the settings that are in force: those of settings/connector.json, and else those of the
// environment. It is built anew when they change; a run keeps the one that it began with. It is safe for concurrent
// use.
type Current struct {
	opts CurrentOptions

	mu      sync.Mutex // guards the fields below
	source  *Source    // nil: none could be built yet
	by      string     // the changes that it was built by
	told    string     // the mistake that was logged last
	fetched bool       // something was, so no set-up is waited for any more
}

// NewCurrent returns a Current. It makes no request, and reads no setting.
func NewCurrent(o CurrentOptions) *Current { return &Current{opts: o} }

// Idle is the answer of an invocation while fetch is not set up.
type Idle struct {
	NotSetUp bool   `json:"notSetUp"`
	Says     string `json:"says"`
}

// Fetch implements the function fetch. Before the set-up is finished it does nothing, which is a success: an error
// would be retried and reported each hour.
func (c *Current) Fetch(ctx context.Context, id, input string, log *slog.Logger) (any, error) {
	source, why, err := c.get(ctx, log)
	if err != nil {
		return nil, err
	}
	if why != "" {
		log.Info("fetch is not set up yet: nothing is fetched", "event", "fetch.notSetUp", "reason", why)
		return Idle{NotSetUp: true, Says: why}, nil
	}
	return source.Fetch(ctx, id, input, log)
}

// Commands returns the source for a turn of commands.
func (c *Current) Commands(ctx context.Context, log *slog.Logger) (commands.Source, error) {
	source, why, err := c.get(ctx, log)
	if err != nil {
		return commands.Source{}, err
	}
	if source == nil {
		return commands.Source{NotSetUp: why}, nil
	}
	return commands.Source{Intake: source.Intake, Links: source.Links, NotSetUp: why}, nil
}

// get returns the source. notSetUp is not empty if nothing may be fetched, because the set-up is not finished; there
// may be no source then. If the changed settings cannot be used together, the former source stays.
func (c *Current) get(ctx context.Context, log *slog.Logger) (_ *Source, notSetUp string, err error) {
	connector, err := c.opts.Connector.Current(ctx)
	if err != nil {
		return nil, "", err
	}
	if notSetUp, err = c.awaited(ctx, connector); err != nil {
		return nil, "", err
	}
	by, err := json.Marshal(connector.Settings)
	if err != nil {
		return nil, "", fmt.Errorf("compare the settings: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.source != nil && c.by == string(by) {
		return c.source, notSetUp, nil
	}
	source, err := Build(c.opts.Name, settings.Overlay(c.opts.Lookup, connector.Settings), c.opts.Services)
	_, said := connector.Paused[settings.Fetch]
	switch {
	case err == nil:
		c.source, c.by, c.told = source, string(by), ""
	case c.source != nil:
		if c.isNew(err) {
			log.Error("the changed settings can't be used: the former ones stay in force",
				"event", "fetch.connectorRefused", "error", err.Error())
		}
	case notSetUp != "":
	case c.opts.Paused && !said: // a deployment whose settings a set-up is to supply
		notSetUp = "it is paused by PAUSED, and its settings are not complete: " + err.Error()
	default:
		if c.isNew(err) {
			log.Error("settings", "event", "fetch.settingsRefused", "error", err.Error())
		}
		return nil, "", fmt.Errorf("%w: %w", funchost.ErrSettings, err)
	}
	return c.source, notSetUp, nil
}

// awaited returns why nothing may be fetched before the set-up is finished; "": it may. An archive that has fetched
// something goes on, whether it was ever set up or not.
func (c *Current) awaited(ctx context.Context, connector control.Connector) (why string, err error) {
	if !connector.IsSetUp() {
		return "the set-up is not finished", nil
	}
	_, said := connector.Paused[settings.Fetch]
	if !c.opts.AwaitSetUp || said || connector.Finished != nil {
		return "", nil
	}
	c.mu.Lock()
	fetched := c.fetched
	c.mu.Unlock()
	if fetched {
		return "", nil
	}
	var empty bool
	err = retry.Do(ctx, func(ctx context.Context) (err error) {
		empty, err = c.opts.Services.Store.Batches().IsEmpty(ctx)
		return err
	})
	switch {
	case errors.Is(err, archive.ErrUnavailable):
		return "", fmt.Errorf("%w: %w", funchost.ErrUnavailable, err)
	case err != nil:
		return "", err
	case empty:
		return "it waits for the end of the set-up in the portal, or for infra/command start (AWAIT_SETUP)", nil
	}
	c.mu.Lock()
	c.fetched = true
	c.mu.Unlock()
	return "", nil
}

// isNew reports whether a mistake is another than the one before.
func (c *Current) isNew(err error) bool {
	other := c.told != err.Error()
	c.told = err.Error()
	return other
}

// Build reads the settings of the source of that name, and builds it. It makes no request. Its error names all
// mistakes.
func Build(name string, lookup func(string) (string, bool), s Services) (*Source, error) {
	r := settings.Read(lookup)
	site, delivery := readSettings(name, r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	if name == settings.Deliveries {
		return FromDeliveries(delivery, s)
	}
	return FromSite(site, s)
}

// ReadSettings reads the settings of the source of that name, for the mistakes in them, which r.Err then returns.
func ReadSettings(name string, r *settings.Reader) { readSettings(name, r) }

func readSettings(name string, r *settings.Reader) (site Site, delivery settings.Delivery) {
	switch name {
	case settings.Deliveries:
		delivery = settings.DeliveryConfig(r)
	case settings.Telemessage:
		site = Site{
			Address:  r.URL("TELEMESSAGE_URL"),
			Username: r.String("TELEMESSAGE_USERNAME"),
			Password: settings.PasswordConfig(r),
			From:     r.Time("FETCH_FROM"),
		}
	}
	return site, delivery
}

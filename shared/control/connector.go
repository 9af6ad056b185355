package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"o2archiver/shared/settings"
)

// Connector is the document settings/connector.json: what an administrator decides while the apps run. The portal
// writes it, or an administrator; the other apps read it.
type Connector struct {
	Version int `json:"v"` // 1; 0 stands for 1

	// N counts the changes by UpdateConnector: the document before the next one is kept as number N or a later one.
	N int `json:"n,omitempty"`

	// An archive that never worked waits for the end of its set-up: see IsSetUp.
	Unfinished bool    `json:"unfinished,omitempty"` // nothing may run before Finished
	Terms      *Terms  `json:"terms,omitempty"`      // were accepted; they stop nothing
	Finished   *Person `json:"finished,omitempty"`   // ended the set-up

	Paused   map[string]bool   `json:"paused,omitempty"`   // by app; one that is absent follows its setting PAUSED
	Settings map[string]string `json:"settings,omitempty"` // take precedence over the environment; see settings.Overlay

	Pauses Pauses `json:"-"` // the changes of Paused, as LoadConnector and UpdateConnector know them
}

// Terms are the terms of service that a person accepted.
type Terms struct {
	Version string `json:"version"`
	Person
}

// Person is who did something, and when.
type Person struct {
	By   string    `json:"by"`             // object id
	Name string    `json:"name,omitempty"` // user name at that time
	At   time.Time `json:"at"`
}

const (
	maxConnector = 64 << 10 // bytes of the document
	maxPerson    = 512      // bytes of each of the texts of Terms and Person
)

// ErrConnector matches the error of a document that is not a Connector. Its text says in plain words what is wrong, and
// repeats no value.
var ErrConnector = errors.New("settings/connector.json can't be used")

// IsSetUp reports whether the apps may work: a set-up has ended, or everything comes from the environment, also while
// the set-up of an archive that works is under way.
func (c Connector) IsSetUp() bool { return c.Finished != nil || !c.Unfinished }

// IsPaused reports whether an app is to do nothing: it is not set up yet, or is paused. byDefault holds if there
// is no word about a pause of the app.
func (c Connector) IsPaused(app string, byDefault bool) bool {
	if !c.IsSetUp() {
		return true
	}
	if paused, said := c.Paused[app]; said {
		return paused
	}
	return byDefault
}

// Check returns what is wrong with the document, as an ErrConnector, or nil.
func (c Connector) Check() error {
	refuse := func(what string) error { return fmt.Errorf("%w: %s", ErrConnector, what) }
	if c.Version != 0 && c.Version != 1 {
		return refuse("its member v is not 1, so a later version of this program has written it")
	}
	if c.N < 0 {
		return refuse("its member n is negative")
	}
	if c.Terms != nil && (c.Terms.Version == "" || len(c.Terms.Version) > maxPerson || !c.Terms.isWhole()) {
		return refuse("its member terms does not have version, by and at")
	}
	if c.Finished != nil && !c.Finished.isWhole() {
		return refuse("its member finished does not have by and at")
	}
	for app := range c.Paused {
		if app != settings.Fetch && app != settings.Import {
			return refuse("its member paused has others than fetch and import")
		}
	}
	if err := settings.CheckChanges(c.Settings); err != nil {
		return refuse("its member settings: " + err.Error())
	}
	return nil
}

func (p Person) isWhole() bool {
	return p.By != "" && len(p.By) <= maxPerson && len(p.Name) <= maxPerson && !p.At.IsZero()
}

// parseConnector reads the document. Its error is an ErrConnector. The errors of package json are not passed on: they
// may repeat a value.
func parseConnector(data []byte) (c Connector, err error) {
	const like = `it is not JSON like {"v":1,"paused":{"fetch":false,"import":false},` +
		`"settings":{"MAX_ITEM_SIZE":"10MB"}}`
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err = d.Decode(&c)
	_, more := d.Token()
	if err != nil || !errors.Is(more, io.EOF) || !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return Connector{}, fmt.Errorf("%w: %s", ErrConnector, like)
	}
	if err := c.Check(); err != nil {
		return Connector{}, err
	}
	return c, nil
}

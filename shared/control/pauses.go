package control

import (
	"encoding/json"
	"slices"
	"time"

	"o2archiver/shared/settings"
)

// Pauses are the changes of Connector.Paused, with the commands that made them. They are stored in the metadata of the
// document, in the same write as the change: a change and its command are there together or not at all. The document
// itself would not do, because an earlier version of the apps refuses one with a member that it does not know. What
// writes the document without its metadata (infra/command, a person, an earlier version) makes them unknown.
type Pauses struct {
	Known   bool          // false: the document was written by something that keeps no changes
	Since   time.Time     // all changes after that time are there; zero: all that there were
	Changes []PauseChange // the oldest first
}

// PauseChange is a change of whether an app is paused.
type PauseChange struct {
	App     string    `json:"app"`
	Paused  bool      `json:"paused"`
	Command string    `json:"command,omitempty"` // the name of the command; "": it was made without one, as by a set-up
	At      time.Time `json:"at,omitzero"`       // zero: not known
}

// maxPauses is the number of changes that are kept: 6 KB at most, of the 8 KiB of metadata that the service takes.
const maxPauses = 40

// pauseFacts is the form of Pauses in the metadata.
type pauseFacts struct {
	Since   time.Time     `json:"since,omitzero"`
	Changes []PauseChange `json:"changes"`
}

// encode returns what is stored in the metadata, "" if nothing is known.
func (p Pauses) encode() string {
	if !p.Known {
		return ""
	}
	text, _ := json.Marshal(pauseFacts{p.Since, p.Changes}) // its texts are names and times, and never fail
	return string(escapeASCII(text))
}

// parsePauses reads what encode has made. What cannot be read is not known.
func parsePauses(facts string) Pauses {
	var f pauseFacts
	if json.Unmarshal([]byte(facts), &f) != nil {
		return Pauses{}
	}
	return Pauses{true, f.Since, f.Changes}
}

// parseStored reads the document with its metadata.
func parseStored(raw json.RawMessage, facts string) (Connector, error) {
	c, err := parseConnector(raw)
	if err == nil {
		c.Pauses = parsePauses(facts)
	}
	return c, err
}

// SetPaused pauses an app or starts it, by a command of that name, at that time. It is for the function that
// UpdateConnector calls.
func (c *Connector) SetPaused(app string, paused bool, command string, at time.Time) {
	at = at.UTC().Truncate(time.Second)
	if c.Paused == nil {
		c.Paused = map[string]bool{}
	}
	c.Paused[app] = paused
	if !c.Pauses.Known { // from here on they are kept
		c.Pauses = Pauses{Known: true, Since: at}
	}
	c.Pauses.add(PauseChange{app, paused, command, at})
}

// Of returns the change that a command made, and the next one of the same app, which ended it; each is nil if there is
// none.
func (p Pauses) Of(command string) (change, next *PauseChange) {
	for i := range p.Changes {
		c := &p.Changes[i]
		switch {
		case change == nil && c.Command == command:
			change = c
		case change != nil && c.App == change.App:
			return change, c
		}
	}
	return change, nil
}

// lastOf returns the last change of an app, nil if there is none.
func (p Pauses) lastOf(app string) (last *PauseChange) {
	for i := range p.Changes {
		if p.Changes[i].App == app {
			last = &p.Changes[i]
		}
	}
	return last
}

// add adds a change, and drops the oldest beyond maxPauses.
func (p *Pauses) add(c PauseChange) {
	p.Changes = append(slices.Clone(p.Changes), c)
	for len(p.Changes) > maxPauses {
		if dropped := p.Changes[0].At; dropped.After(p.Since) {
			p.Since = dropped
		}
		p.Changes = p.Changes[1:]
	}
}

// noteOthers adds the changes that a function of UpdateConnector made without SetPaused. before is the document that it
// was called with.
func (c *Connector) noteOthers(before Connector) {
	if !c.Pauses.Known {
		return
	}
	for _, app := range []string{settings.Fetch, settings.Import} {
		paused, said := c.Paused[app]
		if was, wasSaid := before.Paused[app]; paused == was && said == wasSaid {
			continue
		}
		last := c.Pauses.lastOf(app)
		noted := last != nil && last.Paused == paused
		if !noted {
			c.Pauses.add(PauseChange{App: app, Paused: paused})
		}
	}
}

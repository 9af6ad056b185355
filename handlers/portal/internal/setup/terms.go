package setup

import (
	_ "embed"
	"strings"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/control"
)

// TermsVersion is the version of the terms of service that are in force. A text is never changed: another text is
// another version.
const TermsVersion = "2026-11"

//go:embed terms/2026-11.txt
var termsText string

// section is a part of the terms.
type section struct {
	Heading    string
	Paragraphs []string
}

// readTerms splits a text into its sections: a line that begins with # is a heading, and an empty line ends a
// paragraph.
func readTerms(text string) (all []section) {
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		heading, isHeading := strings.CutPrefix(block, "# ")
		switch {
		case isHeading:
			all = append(all, section{Heading: heading})
		case len(all) > 0:
			last := &all[len(all)-1]
			last.Paragraphs = append(last.Paragraphs, strings.Join(strings.Fields(block), " "))
		}
	}
	return all
}

type termsData struct {
	Steps    []stepView
	Version  string
	Sections []section
	Accepted *control.Terms // of this or a former version
	Current  bool           // Accepted is of this version
	Running  bool           // the archive works by the settings of its deployment, and goes on
	Wrong    string
}

func (s *Setup) showTerms(r *web.Request, st state, wrong string) (web.Answer, error) {
	c := st.connector
	runs := c.Finished == nil && c.IsSetUp()
	if runs && c.Terms == nil {
		var err error
		if runs, err = s.hasWorked(r.Context(), c); err != nil {
			return web.Answer{}, err
		}
	}
	return showPage("setup-terms", "Terms of service", "settings", "", termsData{Steps: viewSteps(st, stepTerms),
		Version: TermsVersion, Sections: readTerms(termsText), Accepted: c.Terms, Current: hasTerms(c),
		Running: runs, Wrong: wrong})
}

func (s *Setup) sendTerms(r *web.Request, st state) (web.Answer, error) {
	switch {
	case hasTerms(st.connector): // it came twice, or another administrator has accepted them
		return web.SeeOther("/setup"), nil
	case r.PostFormValue("version") != TermsVersion:
		return s.showTerms(r, st,
			"The terms have changed since this page was loaded. Read them again, and accept them below.")
	case r.PostFormValue("accept") != "on":
		return s.showTerms(r, st, "To go on, accept the terms.")
	}
	if err := s.record(r, "terms.accepted", "", "Accepted the terms of service, version "+TermsVersion); err != nil {
		return web.Answer{}, err
	}
	worked, err := s.hasWorked(r.Context(), st.connector)
	if err != nil {
		return web.Answer{}, err
	}
	err = s.updateConnector(r.Context(), func(c *control.Connector) error {
		if hasTerms(*c) {
			return errSame
		}
		if c.Terms == nil && c.Finished == nil && !worked {
			c.Unfinished = true // from here on nothing runs before the last step
		}
		c.Terms = &control.Terms{Version: TermsVersion, Person: s.stamp(r)}
		return nil
	})
	return seeOther("/setup", err)
}

package importer

import (
	"context"
	"fmt"

	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/usermap"
)

// Rules are the administrator's choices that may change while the app runs.
type Rules struct {
	Automatic       bool     // AUTOMATIC_MAPPING: map by the email property
	Custom          bool     // CUSTOM_MAPPING: map by the CSV file, before the email property
	AcceptedDomains []string // ACCEPTED_DOMAINS: those that Automatic may use; empty: all of the tenant's
	MaxItem         int64    // MAX_ITEM_SIZE: bytes of attachments in one message; the others are named in its text
}

// ReadRules reads the rules. Their mistakes are among those of r.Err.
func ReadRules(r *settings.Reader) Rules {
	return Rules{Automatic: r.Bool("AUTOMATIC_MAPPING"), Custom: r.Bool("CUSTOM_MAPPING"),
		AcceptedDomains: r.List("ACCEPTED_DOMAINS"), MaxItem: r.Bytes("MAX_ITEM_SIZE")}
}

// RuleReader returns the rules that are in force: those of settings/connector.json, and else those of the environment.
type RuleReader struct {
	connector *control.ConnectorReader
	lookup    func(string) (string, bool)
}

// NewRuleReader returns a RuleReader. lookup is the environment. It makes no request.
func NewRuleReader(connector *control.ConnectorReader, lookup func(string) (string, bool)) *RuleReader {
	return &RuleReader{connector, lookup}
}

// current returns the rules. Its errors are those of ConnectorReader.Current.
func (rr *RuleReader) current(ctx context.Context) (Rules, error) {
	c, err := rr.connector.Current(ctx)
	if err != nil {
		return Rules{}, fmt.Errorf("read the rules: %w", err)
	}
	r := settings.Read(settings.Overlay(rr.lookup, c.Settings))
	rules := ReadRules(r)
	return rules, r.Err()
}

// refresh makes the next delivery of a batch look for other rules.
func (rr *RuleReader) refresh(ctx context.Context) error { return rr.connector.Expire(ctx) }

// mapOptions returns the options of the mapping by these rules.
func (im *Importer) mapOptions(r Rules) usermap.Options {
	return usermap.Options{Automatic: r.Automatic, Custom: r.Custom, AcceptedDomains: r.AcceptedDomains,
		Region: im.opts.Region, E164: im.opts.Numbers.E164}
}

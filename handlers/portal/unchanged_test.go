package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/deliverytest"
)

// lossy are values of settings of which a form shows less than there is, or in another spelling.
var lossy = []struct{ setting, value, page string }{
	{"FETCH_FROM", "2026-11-01T06:30:00Z", "start"},
	{"FETCH_FROM", "2026-11-01T06:30:00+02:00", "start"},
	{"FETCH_FROM", "2026-06-30T23:00:00Z", "start"}, // the beginning of a day in London
	{"FETCH_FROM", "2026-11-01", "start"},
	{"FETCH_FROM", "2027-01-01T00:00:00Z", "start"}, // to come
	{"FETCH_FROM", "", "start"},
	{"DELIVERY_FROM", "2026-06-30T23:00:00Z", "start"},
	{"DELIVERY_FROM", "2026-11-01T06:30:00Z", "start"},
	{"MAX_ITEM_SIZE", "150000kB", "size"},
	{"MAX_ITEM_SIZE", " 10000 kB", "size"},
	{"MAX_ITEM_SIZE", "9MiB", "size"},
	{"MAX_ITEM_SIZE", " 25MB ", "size"},
	{"MAX_ITEM_SIZE", "", "size"},
	{"ACCEPTED_DOMAINS", "Contoso.COM; b.example\tB.example,,", "domains"},
	{"ACCEPTED_DOMAINS", "", "domains"},
	{"AUTOMATIC_MAPPING", "TRUE", "mapping"},
	{"CUSTOM_MAPPING", "False", "mapping"},
}

// deploy makes a setting one of the deployment.
func (f *forms) deploy(setting, value string) {
	f.opts.Lookup = func(name string) (string, bool) {
		if name != setting {
			return "", false
		}
		return value, true
	}
}

// put makes a setting one that an administrator has changed.
func (f *forms) put(setting, value string) {
	f.t.Helper()
	_, err := control.UpdateConnector(f.t.Context(), f.Store.Settings(), func(c *control.Connector) error {
		c.Settings = map[string]string{setting: value}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// effectOf returns what the apps read of the settings that the forms change.
func effectOf(f *forms) []any {
	f.t.Helper()
	c, err := control.LoadConnector(f.t.Context(), f.Store.Settings())
	if err != nil {
		f.t.Fatal(err)
	}
	r := settings.Read(settings.Overlay(f.opts.Lookup, c.Settings))
	return []any{r.Time("FETCH_FROM"), r.Time("DELIVERY_FROM"), r.Bytes("MAX_ITEM_SIZE"), r.List("ACCEPTED_DOMAINS"),
		r.Bool("AUTOMATIC_MAPPING"), r.Bool("CUSTOM_MAPPING")}
}

// TestFormsSentBackUnchanged: a form that is sent back as its page has it changes nothing, whether the setting comes
// from the deployment or from an administrator; and a set-up whose forms are sent back so leaves every setting with
// the same effect.
func TestFormsSentBackUnchanged(t *testing.T) {
	for _, test := range lossy {
		for _, from := range []string{"deployment", "administrator"} {
			t.Run(strings.Join([]string{test.setting, test.value, from}, " "), func(t *testing.T) {
				f := newForms(t)
				if test.setting == "DELIVERY_FROM" {
					f.opts.Deployed = settings.SetUp{Source: settings.Deliveries, Region: "GB",
						Landing: &url.URL{Scheme: "https", Host: "contosolanding.blob.core.windows.net"}}
				}
				if from == "deployment" {
					f.deploy(test.setting, test.value)
				} else {
					f.put(test.setting, test.value)
				}
				f.handler = f.open(f.Store, f.Totals)
				before, effect := f.state(), effectOf(f)
				if a := f.sendBack("/settings/"+test.page, "/settings/"+test.page); a.Status != http.StatusSeeOther {
					t.Errorf("%d\n%s", a.Status, a.page)
				}
				if diff := cmp.Diff(before, f.state()); diff != "" {
					t.Errorf("the page of the setting has changed (-before +after):\n%s", diff)
				}
				f.terms()
				f.send("/setup/source", "/setup/source", "", "")
				for _, step := range []string{"/setup/mapping", "/setup/domains", "/setup/review"} {
					if a := f.sendBack(step, step); a.Status != http.StatusSeeOther {
						t.Fatalf("%s: %d\n%s", step, a.Status, a.page)
					}
				}
				if diff := cmp.Diff(effect, effectOf(f)); diff != "" {
					t.Errorf("the set-up has changed (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// sendBack sends the form of settings of a page as the page has it.
func (f *forms) sendBack(path, action string) answer {
	f.t.Helper()
	do := ""
	if strings.HasSuffix(path, "/mapping") {
		do = "switches"
	}
	form, button := f.find(f.show(path), action, do)
	return ask(f.handler, form.Request(button, ""))
}

// TestStartIsShownWhole: beside a date that is not all of the start, the page has the time.
func TestStartIsShownWhole(t *testing.T) {
	for value, want := range map[string]bool{"2026-11-01T06:30:00Z": true, "2026-11-01T00:00:00Z": false,
		"2026-06-30T23:00:00Z": false, "": false} {
		f := newForms(t)
		f.deploy("FETCH_FROM", value)
		f.handler = f.open(f.Store, f.Totals)
		a := ask(f.handler, httptest.NewRequest(http.MethodGet, "/settings/start", nil))
		if got := strings.Contains(a.page, `In force is <time datetime="`+value+`"`); got != want {
			t.Errorf("%q: the time is shown: %v\n%s", value, got, a.page)
		}
	}
}

// TestBlanksAroundFieldsAreIgnored: whatever a person types or pastes with blanks around it, but for what is secret,
// has the effect that it has without them.
func TestBlanksAroundFieldsAreIgnored(t *testing.T) {
	server := deliverytest.New(deliverytest.Options{User: entered["username"], Password: entered["password"],
		Methods: []string{"password"}})
	t.Cleanup(server.Close)
	fields := map[string]bool{}
	for _, page := range allWithForms(server) {
		all := page.prepare(newForms(t))
		for i, form := range all {
			for j := range form.Buttons {
				if len(form.Typed) == 0 {
					continue
				}
				plain, blanks := prepareTwice(t, page, i, j), prepareTwice(t, page, i, j)
				for _, name := range form.Typed {
					fields[name] = true
					if v := blanks.form.Values.Get(name); v != "" {
						blanks.form.Values.Set(name, "\u00a0 \t"+v+" \r\n")
					}
				}
				want, got := ask(plain.handler, plain.request()), ask(blanks.handler, blanks.request())
				if got.Status != want.Status || got.Location != want.Location {
					t.Errorf("%s, %s: %d to %q, want %d to %q\n%s", page.name, form.Action, got.Status, got.Location,
						want.Status, want.Location, got.page)
				}
				if diff := cmp.Diff(plain.state(), blanks.state()); diff != "" {
					t.Errorf("%s, %s (-without blanks +with):\n%s", page.name, form.Action, diff)
				}
			}
		}
	}
	for _, name := range []string{"username", "host", "folder", "domains", "other", "date", "mailbox", "from",
		"through", "what"} {
		if !fields[name] {
			t.Errorf("the field %s was not tried", name)
		}
	}
}

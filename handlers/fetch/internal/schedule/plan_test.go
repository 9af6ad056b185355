package schedule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/funchost"
)

var morning = time.Date(2026, 11, 23, 5, 30, 0, 700e6, time.UTC)

// windows shows the open slices, one a line.
func windows(c Checkpoint) (all []string) {
	const form = "0102T150405"
	for _, win := range c.Open {
		all = append(all, win.Kind+" "+win.From.Format(form)+"-"+win.To.Format(form))
	}
	return all
}

func TestPlan(t *testing.T) {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	tests := []struct {
		name string
		have Checkpoint
		from time.Time
		want []string
		mark time.Time
	}{
		{"first run", Checkpoint{}, time.Time{}, []string{"daily 1122T052000-1123T052000"}, at(22, 5, 20)},
		{"FETCH_FROM", Checkpoint{}, at(21, 0, 0),
			[]string{"daily 1121T000000-1122T000000", "daily 1122T000000-1123T000000",
				"daily 1123T000000-1123T052000"}, at(21, 0, 0)},
		{"FETCH_FROM, another zone", Checkpoint{}, at(22, 23, 0).In(time.FixedZone("", 3600)),
			[]string{"daily 1122T230000-1123T052000"}, at(22, 23, 0)},
		{"FETCH_FROM in the future", Checkpoint{}, at(24, 0, 0), nil, at(24, 0, 0)},
		{"FETCH_FROM is for the first run", Checkpoint{Planned: at(22, 5, 20)}, at(1, 0, 0),
			[]string{"daily 1122T052000-1123T052000"}, at(22, 5, 20)},
		{"after an outage", Checkpoint{Planned: at(20, 12, 0)}, time.Time{},
			[]string{"daily 1120T120000-1121T120000", "daily 1121T120000-1122T120000",
				"daily 1122T120000-1123T052000"}, at(20, 12, 0)},
		{"again at once", Checkpoint{Planned: at(23, 5, 20)}, time.Time{}, nil, at(23, 5, 20)},
		{"the clock was set back", Checkpoint{Planned: at(24, 5, 20)}, time.Time{}, nil, at(24, 5, 20)},
		{"a day is open", Checkpoint{Planned: at(22, 5, 20),
			Open: []Window{NewWindow(Daily, at(19, 5, 20), at(20, 5, 20), morning)}}, time.Time{},
			[]string{"daily 1119T052000-1120T052000", "daily 1122T052000-1123T052000"}, at(19, 5, 20)},
		{"a backfill is open: the new day comes first, and the watermark is its own",
			Checkpoint{Planned: at(22, 5, 20),
				Open: []Window{NewWindow(Backfill, at(1, 0, 0), at(2, 0, 0), morning),
					NewWindow(Backfill, at(2, 0, 0), at(3, 0, 0), morning)}}, time.Time{},
			[]string{"daily 1122T052000-1123T052000", "backfill 1101T000000-1102T000000",
				"backfill 1102T000000-1103T000000"}, at(22, 5, 20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.have
			c.PlanDaily(morning, tt.from)
			if diff := cmp.Diff(tt.want, windows(c)); diff != "" {
				t.Errorf("slices (-want +got):\n%s", diff)
			}
			if got := c.Watermark(); !got.Equal(tt.mark) {
				t.Errorf("watermark %v, want %v", got, tt.mark)
			}
		})
	}
}

// A checkpoint that can't be read any more for its size would end everything.
func TestPlanIsBounded(t *testing.T) {
	var c Checkpoint
	c.PlanDaily(morning, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(c.Open) != MaxOpen {
		t.Fatalf("%d slices at once, want %d", len(c.Open), MaxOpen)
	}
	if last := c.Open[MaxOpen-1]; !c.Planned.Equal(last.To) {
		t.Errorf("planned up to %v, the last slice ends at %v", c.Planned, last.To)
	}
	c.Open = nil
	for range 3 {
		c.PlanDaily(morning, time.Time{})
	}
	if want := morning.Add(-Margin).Truncate(time.Second); !c.Planned.Equal(want) {
		t.Errorf("after three more runs planned up to %v, want %v", c.Planned, want)
	}
}

func TestFolderNames(t *testing.T) {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for kind, want := range map[string]string{
		Daily:    "2026/11/23/20261101T000000Z-20261102T000000Z",
		Backfill: "2026/11/23/backfill-20261123T053000.700Z-20261101T000000Z-20261102T000000Z",
	} {
		if got := NewWindow(kind, from, from.Add(WindowLength), morning).Folder; got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

func TestPlanBackfill(t *testing.T) {
	tests := []struct {
		name, input string
		want        []string
	}{
		{"a day", `{"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"}`,
			[]string{"backfill 1101T000000-1102T000000"}},
		{"two and a half", ` {"to":"2026-11-03T12:00:00Z","from":"2026-11-01T00:00:00Z"} `,
			[]string{"backfill 1101T000000-1102T000000", "backfill 1102T000000-1103T000000",
				"backfill 1103T000000-1103T120000"}},
		{"another zone", `{"from":"2026-11-01T01:00:00+01:00","to":"2026-11-01T03:00:00+02:00"}`,
			[]string{"backfill 1101T000000-1101T010000"}},
		{"fractions of a second", `{"from":"2026-11-01T00:00:00.9Z","to":"2026-11-01T00:00:01.1Z"}`,
			[]string{"backfill 1101T000000-1101T000002"}},
		{"up to the margin", `{"from":"2026-11-23T05:00:00Z","to":"2026-11-23T05:20:00Z"}`,
			[]string{"backfill 1123T050000-1123T052000"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Checkpoint{Planned: morning}
			if err := planBackfill(&c, "i", tt.input); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, windows(c)); diff != "" {
				t.Errorf("slices (-want +got):\n%s", diff)
			}
			if !c.Planned.Equal(morning) || !c.Watermark().Equal(morning) {
				t.Errorf("planned %v, watermark %v; want both left at %v", c.Planned, c.Watermark(), morning)
			}
		})
	}
}

func TestPlanBackfillRefuses(t *testing.T) {
	const day = `"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"`
	tests := []struct{ name, input, want string }{
		{"no JSON", `yesterday`, `{"from":"2026-11-01T00:00:00Z"`},
		{"a text", `"2026-11-01"`, `{"from":"2026-11-01T00:00:00Z"`},
		{"a list", `[]`, `{"from":`},
		{"half", `{` + day, `{"from":`},
		{"more after it", `{` + day + `} {}`, `{"from":`},
		{"garbage after it", `{` + day + `}x`, `{"from":`},
		{"a field that is none", `{` + day + `,"mailbox":"jane@contoso.example"}`, `{"from":`},
		{"dates without a time", `{"from":"2026-11-01","to":"2026-11-02"}`, `{"from":`},
		{"no from", `{"to":"2026-11-02T00:00:00Z"}`, "from or to is missing"},
		{"no to", `{"from":"2026-11-02T00:00:00Z"}`, "from or to is missing"},
		{"null", `null`, "from or to is missing"},
		{"nothing between", `{"from":"2026-11-02T00:00:00Z","to":"2026-11-02T00:00:00Z"}`,
			"from does not lie before to"},
		{"the wrong way round", `{"from":"2026-11-02T00:00:00Z","to":"2026-11-01T00:00:00Z"}`,
			"from does not lie before to"},
		{"nine years", `{"from":"2017-11-01T00:00:00Z","to":"2026-11-01T00:00:00Z"}`, "longer than 8 years"},
		{"all time", `{"from":"0001-01-02T00:00:00Z","to":"2026-11-01T00:00:00Z"}`, "longer than 8 years"},
		{"into the margin", `{"from":"2026-11-01T00:00:00Z","to":"2026-11-23T05:20:01Z"}`,
			"less than 10 minutes before the present"},
		{"the future", `{"from":"2026-11-24T00:00:00Z","to":"2026-11-25T00:00:00Z"}`,
			"less than 10 minutes before the present"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Checkpoint
			err := planBackfill(&c, "i", tt.input)
			if !errors.Is(err, funchost.ErrInput) || funchost.Status(err) != 400 ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a refusal with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "jane") {
				t.Errorf("the error repeats the input: %v", err)
			}
			if len(c.Open) > 0 || !c.Planned.IsZero() || c.Asked != "" {
				t.Errorf("something was planned: %+v", c)
			}
		})
	}
}

// The host tries a failed invocation again, with the same id and input.
func TestPlanBackfillOncePerInvocation(t *testing.T) {
	const input = `{"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z"}`
	var c Checkpoint
	for _, step := range []struct {
		id   string
		want int
	}{{"first", 1}, {"first", 1}, {"second", 2}} {
		if err := planBackfill(&c, step.id, input); err != nil || len(c.Open) != step.want {
			t.Errorf("invocation %s: %d slices, %v; want %d", step.id, len(c.Open), err, step.want)
		}
	}
}

func TestPlanBackfillIsBounded(t *testing.T) {
	const years = `{"from":"2019-01-01T00:00:00Z","to":"2026-11-01T00:00:00Z"}`
	var c Checkpoint
	for n := range 2 {
		err := planBackfill(&c, fmt.Sprint(n), years)
		if refused := errors.Is(err, funchost.ErrInput); refused != (n == 1) {
			t.Errorf("request %d: %v", n, err)
		}
	}
	if len(c.Open) > MaxOpen {
		t.Errorf("%d open slices", len(c.Open))
	}
}

// planBackfill plans what an administrator's input asks for.
func planBackfill(c *Checkpoint, id, input string) error {
	r, err := ParseRange(input)
	if err != nil {
		return err
	}
	return c.PlanBackfill(id, r, morning)
}

// A command is planned once, also between others, and its windows are known by its name.
func TestPlanCommandOnce(t *testing.T) {
	end := morning.Truncate(time.Second).AddDate(0, 0, -2)
	r := Range{From: end.AddDate(0, 0, -2), To: end}
	var c Checkpoint
	for _, step := range []struct {
		command   string
		own, open int
	}{{"first", 2, 2}, {"second", 2, 4}, {"first", 2, 4}, {"second", 2, 4}} {
		if err := c.PlanCommand(step.command, r, morning); err != nil || c.CountOpen(step.command) != step.own ||
			len(c.Open) != step.open {
			t.Errorf("command %s: %d of %d windows, %v; want %d of %d", step.command, c.CountOpen(step.command),
				len(c.Open), err, step.own, step.open)
		}
	}
	if n := r.Windows(); n != 2 {
		t.Errorf("the range has %d windows", n)
	}
	for i := range 2 * maxCommands {
		if err := c.Once(fmt.Sprint(i), func() error { return nil }); err != nil || len(c.Commands) > maxCommands {
			t.Fatalf("%d commands are remembered, %v", len(c.Commands), err)
		}
	} // The windows of the first are still open: it is not planned again.
	if err := c.PlanCommand("first", r, morning); err != nil || c.CountOpen("first") != 2 {
		t.Errorf("after many others the command has %d windows, %v", c.CountOpen("first"), err)
	}
	for name, impossible := range map[string]Range{
		"the wrong way round": {From: end, To: end.AddDate(0, 0, -3)},
		"all time":            {From: end.AddDate(-2000, 0, 0), To: end},
	} {
		if n := impossible.Windows(); n != 0 {
			t.Errorf("%s: %d windows", name, n)
		}
	}
}

package phone

import (
	"regexp"
	"strings"
	"sync"
	"testing"
)

func TestE164(t *testing.T) {
	const jane = "+447700900123"
	for _, tt := range []struct{ raw, region, want string }{
		{"+447700900123", "GB", jane},
		{"447700900123", "GB", jane},
		{"00447700900123", "GB", jane},
		{"00 44 7700 900123", "US", jane},
		{"07700 900123", "GB", jane},
		{"07700-900-123", "GB", jane},
		{"07700.900.123", "GB", jane},
		{"7700900123", "GB", jane},
		{"+44 (0)7700 900123", "GB", jane},
		{"44(0)7700900123", "GB", jane},
		{"(07700) 900123", "GB", jane},
		{"\u202a+44\u00a07700\u2011900123\u202c", "GB", jane},
		{"\u2068447700900123\u2069", "GB", jane},
		{"  +44 7700 900 123\t", "GB", jane},
		{"447700900123", "US", jane},
		{"447700900123", "", jane},
		{"01632 960123", "GB", "+441632960123"},
		{"1632960123", "GB", "+441632960123"},
		{"441632960123", "GB", "+441632960123"},
		{"12025550123", "GB", "+12025550123"},
		{"+1 (202) 555-0123", "GB", "+12025550123"},
		{"202-555-0123", "US", "+12025550123"},
		{"+39 06 12345678", "GB", "+390612345678"}, // an Italian zero belongs to the number

		{"", "GB", ""},
		{"   ", "GB", ""},
		{"+", "GB", ""},
		{"65000", "GB", ""},
		{"999", "GB", ""},
		{"7726", "GB", ""},
		{"6500012", "GB", ""}, // seven digits that are in no range: a short code
		{"O2", "GB", ""},
		{"HMRC", "GB", ""},
		{"0800FLOWERS", "GB", ""},
		{"anonymous", "GB", ""},
		{"Withheld", "GB", ""},
		{"-1", "GB", ""},
		{"4.47701E+11", "GB", ""},
		{"447700900123.0", "GB", ""},
		{"7700900123.0", "GB", ""},
		{"07700 900123/07700 900124", "GB", ""},
		{"07700900123;07700900124", "GB", ""},
		{"44+7700900123", "GB", ""},
		{"++447700900123", "GB", ""},
		{"+4477009001234", "GB", ""},
		{"+44770090012", "GB", "+44770090012"}, // 9 digits: some numbers are that short
		{"+4477009001", "GB", ""},
		{"07700 900123", "", ""}, // a national form of no country
		{"07700 900123", "ZZ", ""},
		{"+07700 900123", "GB", ""},
		{"0000000000", "GB", ""},
		{"jane@contoso.com", "GB", ""},
		{"+447700900123\x00", "GB", ""},
		{"+447700900123\r\n", "GB", jane},
		{"\xff447700900123", "GB", ""},
		{"+447700900123" + strings.Repeat(" ", 28), "GB", jane},
		{"+44" + strings.Repeat(" ", 28) + "7700900123", "GB", ""},
	} {
		got, ok := E164(tt.raw, tt.region)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("E164(%q, %q) = %q, %v; want %q", tt.raw, tt.region, got, ok, tt.want)
		}
	}
}

func TestDisplay(t *testing.T) {
	for _, tt := range []struct{ e164, national, international string }{
		{"+447700900123", "07700 900123", "+44 7700 900123"},
		{"+441632960123", "01632 960123", "+44 1632 960123"},
		{"+12025550123", "(202) 555-0123", "+1 202-555-0123"},
		{"", "", ""},
		{"HMRC", "HMRC", "HMRC"},
		{"07700900123", "07700900123", "07700900123"},
		{"+44 7700 900123", "+44 7700 900123", "+44 7700 900123"},
	} {
		if got := National(tt.e164); got != tt.national {
			t.Errorf("National(%q) = %q, want %q", tt.e164, got, tt.national)
		}
		if got := International(tt.e164); got != tt.international {
			t.Errorf("International(%q) = %q, want %q", tt.e164, got, tt.international)
		}
	}
}

// The handlers read numbers from many goroutines; libphonenumber fills caches on the way.
func TestE164IsSafeFromManyGoroutines(t *testing.T) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if got, _ := E164("07700 900123", "GB"); got != "+447700900123" {
					t.Errorf("got %q", got)
				}
				E164("12025550123", "GB")
				National("+390612345678")
			}
		})
	}
	group.Wait()
}

func FuzzE164(f *testing.F) {
	for _, s := range []string{"+447700900123", "07700 900123", "44(0)7700900123", "65000", "O2", "4.47701E+11",
		"0054 11 15 1234 5678", "+39 06 12345678", "5491112345678", "+521551234567", "+8081570600", "\u2068+44"} {
		f.Add(s, "GB")
		f.Add(s, "US")
		f.Add(s, "AR")
	}
	form := regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
	f.Fuzz(func(t *testing.T, raw, region string) {
		got, ok := E164(raw, region)
		if !ok {
			if got != "" {
				t.Errorf("E164(%q, %q) = %q beside false", raw, region, got)
			}
			return
		}
		if !form.MatchString(got) {
			t.Errorf("E164(%q, %q) = %q: not the form of E.164", raw, region, got)
		}
		for _, other := range []string{region, "GB", "US", ""} {
			if again, _ := E164(got, other); again != got {
				t.Errorf("E164(%q, %q) = %q, and in %q it reads as %q", raw, region, got, other, again)
			}
		}
		National(got)
	})
}

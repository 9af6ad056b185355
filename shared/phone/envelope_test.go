package phone

import (
	"strings"
	"testing"
)

func TestNumbersInEnvelopes(t *testing.T) {
	const jane = "+447700900123"
	for raw, want := range map[string]string{
		// Networks and protocols.
		"+447700900123/TYPE=PLMN":                                                jane,
		"447700900123/type=plmn":                                                 jane,
		"07700900123 /TYPE = PLMN":                                               jane,
		"+447700900123/TYPE=PLMN@mms.o2.example":                                 jane,
		"tel:+447700900123":                                                      jane,
		"TEL:07700-900-123":                                                      jane,
		"tel:%2B447700900123":                                                    jane,
		"tel://+447700900123":                                                    jane,
		"tel:7700900123;phone-context=+44":                                       jane,
		"tel:07700900123;phone-context=+44":                                      jane,
		"tel:960123;phone-context=+441632":                                       "+441632960123",
		"tel:07700900123;phone-context=ims.example":                              jane,
		"07700900123;phone-context=+44;npdi":                                     jane,
		"tel:2025550123;phone-context=+1":                                        "+12025550123",
		"sip:+447700900123@ims.example;user=phone":                               jane,
		"sips:+447700900123@ims.example":                                         jane,
		"<sip:+447700900123@ims.example;user=phone>;tag=1":                       jane,
		`"Jane, Doe" <sip:+447700900123;phone-context=+44@ims.example>`:          jane,
		"sip:+447700900123:secret@ims.example:5060;transport=tcp":                jane,
		"sip:07700900123;phone-context=ims.mnc010.mcc234.3gppnetwork.org@ims.ex": jane,
		"<tel:+447700900123>":                                                    jane,
		"<+447700900123>":                                                        jane,
		"Jane Doe <07700 900123>":                                                jane,
		"sms:+447700900123?body=hi":                                              jane,
		"smsto:07700900123":                                                      jane,
		"tel:+447700900123;ext=5":                                                jane,
		"tel:+447700900123;isub=1411;postd=p22":                                  jane,
		"+447700900123;npdi;cpc=ordinary":                                        jane,
		"\"+447700900123\"":                                                      jane,
		"'+447700900123":                                                         jane,
		"＋４４７７００９００１２３":                                                          jane,
		"٠٧٧٠٠٩٠٠١٢٣":                                                            jane,
		"+00447700900123":                                                        jane,
		"011 44 7700 900123":                                                     jane,
		"447700900123F":                                                          jane,
		// Dialled before it.
		"*31#07700900123":       jane,
		"#31#+447700900123":     jane,
		"*31# 07700 900123":     jane,
		"**21*07700900123#":     jane,
		"*21*07700900123*11#":   jane,
		"*6707700900123":        jane,
		"14107700900123":        jane,
		"141 07700 900123":      jane,
		"1470 07700 900123":     jane,
		"9,07700900123":         jane,
		"9w07700900123":         jane,
		"tel:*31#07700900123":   jane,
		"Mobile: 07700 900123":  jane,
		"Tel. 07700 900123":     jane,
		"M: 07700 900123":       jane,
		"07700 900123 (mobile)": jane,
		"07700 900123 mobile":   jane,
		"07700 900123.":         jane,
		// Behind it.
		"07700 900123 ext 5":         jane,
		"07700 900123 ext. 5":        jane,
		"07700 900123 extension 512": jane,
		"07700 900123 x5":            jane,
		"07700900123x5":              jane,
		"07700 900123 x12":           jane,
		"07700 900123 #5":            jane,
		"07700 900123 (ext 5)":       jane,
		"07700900123,5":              jane,
		"07700900123,,1234567#":      jane,
		"07700900123p5":              jane,
		"07700900123w5p6":            jane,
		"07700900123;5":              jane,
		"+447700900123,":             jane,

		// No number, or more than one.
		"07700900123,07700900124":          "",
		"07700900123; 07700900124":         "",
		"07700 900123/07700 900124":        "",
		"<07700900123> <07700900124>":      "",
		"65000/TYPE=PLMN":                  "",
		"tel:65000;phone-context=+44":      "",
		"O2/TYPE=ALPHANUM":                 "",
		"07700900123@mail.example":         "",
		"mailto:07700900123@mail.example":  "",
		"sip:jane@ims.example":             "",
		"sip:anonymous@anonymous.invalid":  "",
		"192.168.100.200/TYPE=IPv4":        "",
		"insert-address-token":             "",
		"0800FLOWERS":                      "",
		"tel:0800FLOWERS":                  "",
		"*100#":                            "",
		"Call 07700 900123 now":            "",
		"tel:" + strings.Repeat("0", 1000): "",
	} {
		if got, _ := E164(raw, "GB"); got != want {
			t.Errorf("E164(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestBare(t *testing.T) {
	for raw, want := range map[string]string{
		"65000/TYPE=PLMN":                    "65000",
		"tel:65000;phone-context=+44":        "65000",
		"HMRC/TYPE=ALPHANUM":                 "HMRC",
		"<sip:65000@ims.example>":            "65000",
		"sip:anonymous@anonymous.invalid":    "anonymous",
		"insert-address-token/TYPE=PLMN":     "insert-address-token",
		"<insert-address-token>":             "insert-address-token",
		"HMRC":                               "HMRC",
		"O2: news":                           "O2: news",
		" HMRC ":                             " HMRC ",
		"":                                   "",
		"tel:":                               "tel:",
		"<>":                                 "<>",
		"jane@contoso.example":               "jane@contoso.example",
		"Marks & Spencer; 50% off":           "Marks & Spencer; 50% off",
		"<" + strings.Repeat("a", 600) + ">": "<" + strings.Repeat("a", 600) + ">",
	} {
		if got := Bare(raw); got != want {
			t.Errorf("Bare(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestExtended(t *testing.T) {
	for raw, want := range map[string]bool{
		"07700 900123": false, "tel:07700900123": false, "*31#07700900123": false, "+447700900123,": false,
		"home":            false,
		"07700 900123 x5": true, "tel:+447700900123;ext=5": true, "07700900123,,5": true, "07700900123p5": true,
	} {
		if got := Extended(raw, "GB"); got != want {
			t.Errorf("Extended(%q) = %v", raw, got)
		}
	}
}

// FuzzBare holds that opening an envelope ends, finds the same in what it has found, and never makes another number of
// a plain one.
func FuzzBare(f *testing.F) {
	for _, s := range []string{"+447700900123/TYPE=PLMN", `"a" <sip:+44@x;user=phone>;tag=1`, "tel:1;phone-context=+44",
		"<<tel:tel:'1'>>", "%25%32%42", "＜1＞", "x/TYPE=y/TYPE=z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		bare := Bare(raw)
		if len(bare) > len(raw) {
			t.Errorf("Bare(%q) = %q: longer", raw, bare)
		}
		number, ok := E164(raw, "GB")
		if plain, spelt := readSpelled(raw, "GB"); spelt && plain != number {
			t.Errorf("E164(%q) = %q, without an envelope %q", raw, number, plain)
		}
		if ok {
			if again, _ := E164("<tel:"+number+">", "GB"); again != number {
				t.Errorf("%q in an envelope is %q", number, again)
			}
		}
	})
}

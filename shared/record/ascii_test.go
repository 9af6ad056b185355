package record

import "testing"

func TestOnlyASCIIChanges(t *testing.T) {
	for _, test := range []struct{ given, lower, upper string }{
		{"", "", ""},
		{"Jane.Doe@Contoso.example", "jane.doe@contoso.example", "JANE.DOE@CONTOSO.EXAMPLE"},
		{"@[`{", "@[`{", "@[`{"},
		{"B\u0130LG\u0130", "b\u0130lg\u0130", "B\u0130LG\u0130"},
		{"\u212aent", "\u212aent", "\u212aENT"},
		{"\u017fYSTEM", "\u017fystem", "\u017fYSTEM"},
		{"Äß\xffA", "Äß\xffa", "Äß\xffA"},
	} {
		if got := LowerASCII(test.given); got != test.lower {
			t.Errorf("LowerASCII(%q) = %q, want %q", test.given, got, test.lower)
		}
		if got := UpperASCII(test.given); got != test.upper {
			t.Errorf("UpperASCII(%q) = %q, want %q", test.given, got, test.upper)
		}
	}
}

func TestEqualFoldASCII(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"SMTP:Jane@Contoso.example", "smtp:jane@contoso.example", true},
		{"jane@\u212aent.example", "jane@kent.example", false},
		{"localho\u017ft", "localhost", false},
		{"a", "ab", false},
	} {
		if got := EqualFoldASCII(test.a, test.b); got != test.want {
			t.Errorf("EqualFoldASCII(%q, %q) = %v", test.a, test.b, got)
		}
	}
}

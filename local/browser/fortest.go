package browser

import (
	"os"
	"testing"
)

// ForTest returns a browser that ends with the test. Where there is no Chromium the test is left out, unless
// REQUIRE_CHROMIUM=1 makes that a failure.
func ForTest(t testing.TB) *Browser {
	t.Helper()
	if _, err := Find(); err != nil {
		if os.Getenv("REQUIRE_CHROMIUM") == "1" {
			t.Fatalf("%v, and REQUIRE_CHROMIUM=1", err)
		}
		t.Skip("LEFT OUT: chromium is not on PATH, so no page was tried in a browser")
	}
	b, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// CheckForTest lets axe-core check the page, on a telephone in the dark and on a desktop in the light. What it finds,
// and what the browser has reported, fails the test; what is the page in words.
func (p *Page) CheckForTest(t testing.TB, axe, what string) {
	t.Helper()
	for _, width := range []int{Narrow, Wide} {
		if err := p.Show(width, width == Narrow); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		found, err := p.CheckAccess(axe)
		if err != nil {
			t.Fatalf("check %s: %v", what, err)
		}
		for _, f := range found {
			t.Errorf("%s at %d pixels: %s", what, width, f)
		}
	}
	for _, problem := range p.Problems() {
		t.Errorf("%s: the browser reports: %s", what, problem)
	}
}

// OpenForTest opens a tab. At the end of the test, every problem that the browser has reported there fails it.
func (b *Browser) OpenForTest(t testing.TB) *Page {
	t.Helper()
	p, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range p.Problems() {
			t.Errorf("the browser reports: %s", problem)
		}
		p.Close()
	})
	return p
}

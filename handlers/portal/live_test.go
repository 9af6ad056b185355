package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"o2archiver/handlers/portal/internal/pages"
	"o2archiver/local/browser"
)

// livePage is a page with a live part, which changes with each answer, and with words that are wider than a telephone.
const livePage = `<!doctype html><html lang="en"><head><title>Live</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/assets/portal.css">
<script src="/assets/portal.js" defer></script></head><body><main><p>%s</p><ul><li>%s</li></ul>
<section id="live" data-poll="/live" data-seconds="0.2"><p>answer %d</p>
%s<p><a href="/two">two</a></p>
<div id="wide" class="scroll" tabindex="0"><div style="width:3000px">wide</div></div></section>
</main><p id="working" hidden></p><p id="signedout" hidden></p></body></html>`

// TestLivePart: when the live part of a page changes, the keyboard's focus and the tables stay where they were. Names
// without a blank do not make a page wider than a telephone.
func TestLivePart(t *testing.T) {
	b := browser.ForTest(t)
	files, err := pages.Load()
	if err != nil {
		t.Fatal(err)
	}
	var answers atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", files.ServeAsset)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		name := strings.Repeat("jane.doe_contoso-subsidiary.com#EXT#", 5) + "@fabrikamgroup.onmicrosoft.com"
		n, more := answers.Add(1), ""
		if n%2 == 1 { // what is in front comes and goes
			more = `<p><a href="/one">one</a></p><div class="scroll" tabindex="0">another table</div>`
		}
		fmt.Fprintf(w, livePage, name, name, n, more)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	p := b.OpenForTest(t)
	if err := p.Show(browser.Narrow, false); err != nil {
		t.Fatal(err)
	}
	if err := p.Go(server.URL); err != nil {
		t.Fatal(err)
	}
	wide, err := browser.Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
	if err != nil || wide > 0 {
		t.Errorf("the page is %d pixels wider than the telephone, %v", wide, err)
	}
	for focus, want := range map[string]string{"a[href='/two']": "two", "#wide": "wide"} {
		const move = "document.querySelector(%q).focus(); document.querySelector('#wide').scrollLeft = 70; 0"
		if _, err := browser.Eval[int](p, fmt.Sprintf(move, focus)); err != nil {
			t.Fatal(err)
		}
		if err := p.Await(fmt.Sprintf("answer %d", answers.Load()+3)); err != nil {
			t.Fatal(err)
		}
		got, err := browser.Eval[string](p,
			"document.activeElement.textContent + ' ' + document.querySelector('#wide').scrollLeft")
		if err != nil || strings.TrimSpace(got) != want+" 70" {
			t.Errorf("after the change %q has the focus, want %q, %v", got, want+" 70", err)
		}
	}
}

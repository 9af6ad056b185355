// Package browser drives a headless Chromium, for the tests of the pages and for their screenshots. What the browser
// reports about a page, such as an error of a script or a breach of the content security policy, is kept as a problem.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	stepTime = 30 * time.Second // for one step; it takes milliseconds, and longer on a busy machine
	height   = 900              // of the viewport
)

// Widths of the viewport: a desktop's and a telephone's.
const (
	Wide   = 1280
	Narrow = 375
)

// ErrMissing reports that there is no Chromium on this machine.
var ErrMissing = errors.New("chromium is not on PATH")

// Find returns the path of Chromium, or of a browser that is made of it. The variable CHROMIUM names another one.
func Find() (string, error) {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// Browser is a running Chromium with a profile of its own.
type Browser struct {
	ctx   context.Context // of chromedp
	close func()
}

// Start starts Chromium. It ends with ctx, or by Close.
func Start(ctx context.Context) (*Browser, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(Wide, height))
	if os.Geteuid() == 0 {
		o = append(o, chromedp.NoSandbox) // Chromium refuses to run as root with its sandbox
	}
	allocated, end := chromedp.NewExecAllocator(ctx, o...)
	first, closeFirst := chromedp.NewContext(allocated)
	b := &Browser{ctx: first, close: func() { closeFirst(); end() }}
	if err := chromedp.Do(first); err != nil {
		b.close()
		return nil, fmt.Errorf("start Chromium: %w", err)
	}
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() { b.close() }

// Page is a tab of the browser.
type Page struct {
	ctx   context.Context // of chromedp
	close func()

	mu       sync.Mutex
	problems []string
	allowed  []int
}

// Open opens a tab.
func (b *Browser) Open() (*Page, error) {
	p := &Page{}
	p.ctx, p.close = chromedp.NewContext(b.ctx, chromedp.WithListener(p.note))
	if err := chromedp.Do(p.ctx); err != nil {
		p.close()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	return p, nil
}

// Close closes the tab.
func (p *Page) Close() { p.close() }

// note keeps what an event of the tab reports. It runs in chromedp's loop.
func (p *Page) note(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level != "error" && e.Entry.Level != "warning" || p.allows(e.Entry.Text) {
			return
		}
		problem = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != "error" && e.Type != "warning" && e.Type != "assert" {
			return
		}
		problem = "console: " + string(e.Type)
		for _, arg := range e.Args {
			problem += " " + string(arg.Value) + arg.Description
		}
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// Allow keeps answers with these statuses, which the browser reports as errors, from being problems.
func (p *Page) Allow(statuses ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = statuses
}

func (p *Page) allows(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.allowed, func(status int) bool {
		return strings.Contains(text, fmt.Sprintf("the server responded with a status of %d ", status))
	})
}

// Problems returns, once, what the browser reported since the last call.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.problems
	p.problems = nil
	return all
}

// runStep runs an action with a limit of time.
func runStep[T any](p *Page, what string, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, stepTime)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		return value, fmt.Errorf("%s: %w", what, err)
	}
	return value, nil
}

// SendHeaders adds headers to every request of the tab from now on, in place of those of an earlier call.
func (p *Page) SendHeaders(headers map[string]string) error {
	all := network.Headers{}
	for name, value := range headers {
		all[name] = value
	}
	_, err := runStep(p, "set the headers",
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: all})
			return err
		}))
	return err
}

// Go opens an address and returns when the page has loaded. An answer with an error's status is a page, too.
func (p *Page) Go(url string) error {
	_, err := runStep(p, "open a page", chromedp.Navigate(url))
	return err
}

// Location returns the address of the page.
func (p *Page) Location() (string, error) { return runStep(p, "read the address", chromedp.Location()) }

// Click clicks an element, by its selector, and waits until the page that follows has loaded, if one does.
func (p *Page) Click(selector string) error {
	_, err := runStep(p, "click "+selector, chromedp.Click(selector))
	return err
}

// Fill replaces the value of a field by a text that is typed.
func (p *Page) Fill(selector, text string) error {
	_, err := runStep(p, "fill in "+selector,
		chromedp.Steps(chromedp.Clear(selector), chromedp.SendKeys(selector, text)))
	return err
}

// SetDate sets the value of a date field, whose typed form depends on the machine's language.
func (p *Page) SetDate(selector string, day time.Time) error {
	_, err := runStep(p, "set the date of "+selector, chromedp.SetValue(selector, day.Format(time.DateOnly)))
	return err
}

// Upload chooses a file in a field.
func (p *Page) Upload(selector, file string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	_, err = runStep(p, "choose a file in "+selector, chromedp.SetUploadFiles(selector, []string{file}))
	return err
}

// Text returns the visible text of an element.
func (p *Page) Text(selector string) (string, error) {
	return runStep(p, "read "+selector, chromedp.Text(selector))
}

// Eval returns the value of an expression in the page.
func Eval[T any](p *Page, expression string) (T, error) {
	return runStep(p, "evaluate an expression", chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Await returns when the page shows a text: that is, for at most half a minute, over all pages that load meanwhile.
func (p *Page) Await(text string) error {
	for end := time.Now().Add(stepTime); ; time.Sleep(50 * time.Millisecond) {
		all, err := Eval[string](p, "document.body ? document.body.innerText : ''")
		if err == nil && strings.Contains(all, text) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the page does not show %q: %s", text, all)
		}
	}
}

// Show sets the width of the viewport and the colour scheme.
func (p *Page) Show(width int, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}}} // colours that change slowly can't be checked
	_, err := runStep(p, "set the viewport", chromedp.Steps(chromedp.EmulateViewport(int64(width), height),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
			return err
		})))
	return err
}

// DisableScripts keeps the scripts of all pages of the tab from running. Eval works all the same.
func (p *Page) DisableScripts() error {
	_, err := runStep(p, "disable scripts",
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		}))
	return err
}

// SetZone sets the time zone of the page, by its IANA name.
func (p *Page) SetZone(name string) error {
	_, err := runStep(p, "set the time zone", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride,
			emulation.SetTimezoneOverrideParams{TimezoneID: name})
		return err
	}))
	return err
}

// Screenshot returns the whole page as a PNG.
func (p *Page) Screenshot() ([]byte, error) {
	return runStep(p, "take a screenshot", chromedp.FullScreenshot(100))
}

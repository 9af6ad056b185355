// Command screenshots takes the pictures of docs/screenshots from a portal on this machine, or pictures of every page,
// as a desktop in the light and in the dark and as a telephone in both show it:
//
//	go run ./local -keep                                        prints the portal's address
//	go run ./local/screenshots http://127.0.0.1:<port>/         docs/screenshots/<page>-<width>-<scheme>.png
//	go run ./local/screenshots -all -out build/p http://127.…/  every page, in four pictures
//
// Pages may be named behind the address: the steps of the set-up are those of an archive that is not set up, which
// go run ./local -portal starts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"o2archiver/local/browser"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// inDocs are the pictures of docs/screenshots: the pages that a reader of docs/portal.md wants to see.
var inDocs = map[string][]view{
	"progress": {{browser.Wide, false}}, "day": {{browser.Wide, true}, {browser.Narrow, false}},
	"month": {{browser.Wide, false}}, "items": {{browser.Wide, false}}, "unmapped": {{browser.Narrow, false}},
	"users": {{browser.Narrow, true}}, "commands": {{browser.Wide, false}}, "check": {{browser.Wide, false}},
	"set-up": {{browser.Wide, false}}, "mapping": {{browser.Wide, false}}, "settings": {{browser.Narrow, false}},
	"audit": {{browser.Wide, true}},
}

// view is how a page is shown.
type view struct {
	width int
	dark  bool
}

// run takes the pictures. A page that the portal does not serve in its present state is left out, with a word.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("screenshots", flag.ContinueOnError)
	out := flags.String("out", filepath.Join("docs", "screenshots"), "write into this `folder`")
	all := flags.Bool("all", false, "take four pictures of every page")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("name the address of the portal, which `go run ./local -keep` prints")
	}
	portal := strings.TrimSuffix(flags.Arg(0), "/")
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	b, err := browser.Start(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	p, err := b.Open()
	if err != nil {
		return err
	}
	defer p.Close()
	of, err := p.FindSubjects(portal, time.Now())
	if err != nil {
		fmt.Fprintf(stdout, "Pages without their subject are left out, or are those of today: %v\n", err)
	}
	paths := browser.PortalPages(of)
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		views := []view{{browser.Wide, false}, {browser.Wide, true}, {browser.Narrow, false}, {browser.Narrow, true}}
		if !*all {
			views = inDocs[name]
		}
		if only := flags.Args()[1:]; len(views) == 0 || len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		served, err := browser.IsServed(portal, paths[name])
		if err != nil {
			return err
		}
		if !served {
			fmt.Fprintf(stdout, "left out: %s, which the portal does not serve now\n", name)
			continue
		}
		for _, v := range views {
			if err := takePicture(p, portal+paths[name], filepath.Join(*out, name), v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	fmt.Fprintln(stdout, "The pictures are in", *out)
	return nil
}

// takePicture takes one picture of a page, in a file whose name begins with prefix.
func takePicture(p *browser.Page, address, prefix string, v view) error {
	if err := p.Show(v.width, v.dark); err != nil {
		return err
	}
	if err := p.Go(address); err != nil {
		return err
	}
	picture, err := p.Screenshot()
	if err != nil {
		return err
	}
	if picture, err = shrinkPicture(picture); err != nil {
		return err
	}
	return os.WriteFile(prefix+v.ending(), picture, 0o644)
}

// ending returns the end of the name of a picture.
func (v view) ending() string {
	return fmt.Sprintf("-%d-%s.png", v.width, map[bool]string{false: "light", true: "dark"}[v.dark])
}

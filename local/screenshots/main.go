// Command screenshots takes pictures of every page of a portal on this machine, as a desktop in the light and in the
// dark and as a telephone in both show it:
//
//	go run ./local -keep                                      prints the portal's address
//	go run ./local/screenshots http://127.0.0.1:<port>/       writes docs/screenshots/<page>-<width>-<scheme>.png
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

// run takes the pictures. A page that the portal does not serve in its present state is left out, with a word.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("screenshots", flag.ContinueOnError)
	out := flags.String("out", filepath.Join("docs", "screenshots"), "write into this `folder`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
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
	day, err := p.FindDay(portal, time.Now())
	if err != nil {
		fmt.Fprintln(stdout, "no day has items without a mailbox: the pages of today are taken")
	}
	paths := browser.PortalPages(day)
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		served, err := browser.IsServed(portal, paths[name])
		if err != nil {
			return err
		}
		if !served {
			fmt.Fprintf(stdout, "left out: %s, which the portal does not serve now\n", name)
			continue
		}
		if err := takePictures(p, portal+paths[name], filepath.Join(*out, name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Fprintln(stdout, "The pictures are in", *out)
	return nil
}

// takePictures takes the pictures of one page, in files whose names begin with prefix.
func takePictures(p *browser.Page, address, prefix string) error {
	for _, width := range []int{browser.Wide, browser.Narrow} {
		for _, dark := range []bool{false, true} {
			scheme := map[bool]string{false: "light", true: "dark"}[dark]
			if err := p.Show(width, dark); err != nil {
				return err
			}
			if err := p.Go(address); err != nil {
				return err
			}
			picture, err := p.Screenshot()
			if err != nil {
				return err
			}
			if err := os.WriteFile(fmt.Sprintf("%s-%d-%s.png", prefix, width, scheme), picture, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

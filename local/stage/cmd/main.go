// Command cmd stages the function apps into build/: `go run ./local/stage/cmd [-local] [app...]`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"

	"o2archiver/local/stage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
}

// run stages the named apps, or all of them, of the repository in the working folder.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("stage", flag.ContinueOnError)
	o := stage.Options{Root: "."}
	flags.StringVar(&o.Out, "out", "", "folder for <app>/ and <app>.zip (default build)")
	flags.BoolVar(&o.Local, "local", false, "build for this machine instead of Azure's linux/amd64")
	if err := flags.Parse(args); err != nil {
		return err
	}
	apps := stage.Apps()
	if flags.NArg() > 0 {
		apps = nil
		for _, name := range flags.Args() {
			i := slices.IndexFunc(stage.Apps(), func(a stage.App) bool { return a.Name == name })
			if i < 0 {
				return fmt.Errorf("there is no app %q", name)
			}
			apps = append(apps, stage.Apps()[i])
		}
	}
	return stage.Build(ctx, o, apps...)
}

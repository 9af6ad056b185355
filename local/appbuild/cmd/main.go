// Command cmd builds the function apps into build/: `go run ./local/appbuild/cmd [-local] [app...]`. For a release,
// -version prints the version of the sources, and `-notes VERSION` what CHANGELOG.md has about a version.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"o2archiver/local/appbuild"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
}

// run builds the named apps, or all apps, of the repository in the working folder, and prints where they are.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("stage", flag.ContinueOnError)
	o := appbuild.Options{Root: "."}
	flags.StringVar(&o.Out, "out", "", "folder for <app>/ and <app>.zip (default build)")
	flags.BoolVar(&o.Local, "local", false, "build for this machine instead of Azure's linux/amd64")
	showVersion := flags.Bool("version", false, "print the version of the sources, and build nothing")
	notes := flags.String("notes", "", "print what CHANGELOG.md has about this version, and build nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case *showVersion:
		version, err := appbuild.Version(o.Root)
		if err == nil {
			_, err = fmt.Fprintln(stdout, version)
		}
		return err
	case *notes != "":
		text, err := appbuild.Notes(o.Root, *notes)
		if err == nil {
			_, err = io.WriteString(stdout, text)
		}
		return err
	}
	apps := appbuild.All()
	if flags.NArg() > 0 {
		apps = nil
		for _, name := range flags.Args() {
			i := slices.IndexFunc(appbuild.All(), func(a appbuild.App) bool { return a.Name == name })
			if i < 0 {
				return fmt.Errorf("there is no app %q", name)
			}
			apps = append(apps, appbuild.All()[i])
		}
	}
	if err := appbuild.Build(ctx, o, apps...); err != nil {
		return err
	}
	if o.Local {
		fmt.Fprintf(stdout, "%s has a folder for each app\n", cmp.Or(o.Out, "build"))
		return nil
	}
	return printReport(stdout, cmp.Or(o.Out, "build"), apps)
}

// printReport prints where the zips and their lists are.
func printReport(stdout io.Writer, out string, apps []appbuild.App) error {
	for _, app := range apps {
		zip := filepath.Join(out, app.Name+".zip")
		info, err := os.Stat(zip)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s (%.1f MB), linked from what %s lists\n",
			zip, float64(info.Size())/1e6, filepath.Join(out, app.Name+".cdx.json"))
	}
	fmt.Fprintf(stdout, "%s has the checksums; the folders beside the zips hold the same files\n",
		filepath.Join(out, "SHA256SUMS"))
	return nil
}

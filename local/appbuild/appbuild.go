// Package appbuild builds the function apps in the layout that the Functions host requires: one folder per app with
// host.json, the handler and a folder per function side by side, and the same content as a zip for deployment.
package appbuild

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"o2archiver/local/filelock"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// App is one function app: one handler, one identity.
type App struct {
	Name      string   // name of the app's folder below build
	Package   string   // the handler's folder, relative to the repository's root: ./handlers/fetch
	Functions []string // the folders of its triggers
	Triggers  string   // where these folders are, relative to the root; "": functions
}

// Apps returns the function apps that every deployment has. Apps and Portal are the only places that assign functions
// to apps.
func Apps() []App {
	return []App{
		{Name: "fetch", Package: "./handlers/fetch", Functions: []string{"fetch", "command"}},
		{Name: "import", Package: "./handlers/import", Functions: []string{"import", "sweep"}},
	}
}

// Portal returns the app of the web pages, which has no other function.
func Portal() App {
	return App{Name: "portal", Package: "./handlers/portal", Functions: []string{"portal"}}
}

// All returns every function app, as a release has them. Whether a deployment has the portal is its own choice.
func All() []App { return append(Apps(), Portal()) }

// Options holds the source, the destination and the target machine of a build.
type Options struct {
	Root string // the repository's root, with host.json
	Out  string // receives <app>/, <app>.zip, <app>.cdx.json and SHA256SUMS; "": build in the root

	// Local builds the handlers for this machine instead of Azure's (linux/amd64). It builds only the folders, without
	// the zips and their lists.
	Local bool
}

const (
	handler = "handler" // its name in host.json

	lockName = ".lock" // in the folder of local builds

	modeHandler = 0o755 // the host can't start it without this mode, so the zip has to hold it
	modeFile    = 0o644
	modeFolder  = 0o755
)

// Build builds the apps. An existing app is replaced as a whole, so that nothing stale is deployed; a build that fails
// leaves it as it was. What the host would refuse is an error.
func Build(ctx context.Context, o Options, apps ...App) error {
	if o.Out == "" {
		o.Out = filepath.Join(o.Root, "build")
	}
	if err := os.MkdirAll(o.Out, modeFolder); err != nil {
		return fmt.Errorf("make the output's folder: %w", err)
	}
	var s stamp // a local build has none: it would be linked again with each commit
	if o.Local {
		lock, err := filelock.Wait(ctx, filepath.Join(o.Out, lockName)) // two may start at once
		if err != nil {
			return err
		}
		defer lock.Close()
	} else {
		var err error
		if s, err = readStamp(ctx, o.Root); err != nil {
			return fmt.Errorf("read the version of the sources: %w", err)
		}
	}
	for _, app := range apps {
		if err := buildApp(ctx, o, s, app); err != nil {
			return fmt.Errorf("stage app %s: %w", app.Name, err)
		}
	}
	if o.Local {
		return nil
	}
	if err := writeSums(o.Out); err != nil {
		return fmt.Errorf("write the checksums: %w", err)
	}
	return nil
}

// buildApp builds one app in a temporary folder and moves the result to its place.
func buildApp(ctx context.Context, o Options, s stamp, app App) error {
	work, err := os.MkdirTemp(o.Out, ".stage-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	final, tree, archive := filepath.Join(o.Out, app.Name), filepath.Join(work, "tree"), filepath.Join(work, "zip")
	if err := layOut(o.Root, app, tree); err != nil {
		return err
	}
	program := filepath.Join(tree, handler)
	if o.Local {
		if err := reuseBinary(final, program); err != nil {
			return err
		}
	}
	if err := compileApp(ctx, o, s, app, program); err != nil {
		return err
	}
	if err := Check(tree); err != nil {
		return err
	}
	if o.Local {
		if !maps.Equal(readTree(final), readTree(tree)) { // an equal one stays: a host may be reading it
			if err := replaceTree(tree, final); err != nil {
				return err
			}
		}
		return noteHandler(final)
	}
	if err := packZip(tree, archive); err != nil {
		return fmt.Errorf("write the zip: %w", err)
	}
	list, err := listMaterials(ctx, o.Root, app.Name, s, filepath.Join(tree, handler))
	if err != nil {
		return err
	}
	if err := replaceTree(tree, final); err != nil {
		return err
	}
	if err := writeFile(final+".cdx.json", list, modeFile); err != nil {
		return err
	}
	return os.Rename(archive, final+".zip")
}

// readTree returns mode and hash of each file below a folder, by its name. Both are "" for what can't be read.
func readTree(dir string) map[string]string {
	files := map[string]string{}
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		name = strings.TrimPrefix(name, dir)
		files[name] = ""
		info, err := d.Info()
		raw, e := os.ReadFile(filepath.Join(dir, name))
		if errors.Join(err, e) == nil {
			files[name] = fmt.Sprintf("%v %x", info.Mode(), sha256.Sum256(raw))
		}
		return nil
	})
	return files
}

// replaceTree replaces the folder final by tree.
func replaceTree(tree, final string) error {
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	return os.Rename(tree, final)
}

// reuseBinary copies the handler of an earlier local build to where the next one goes, because go build does not link
// again if the build ID in the file matches the sources. It checks nothing else in the file, so a handler without the
// noted hash is not copied. What is deployed is always linked again.
func reuseBinary(final, to string) error {
	raw, err := os.ReadFile(filepath.Join(final, handler))
	noted, e := os.ReadFile(final + noteSuffix)
	if err = errors.Join(err, e); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if string(noted) != fmt.Sprintf("%x", sha256.Sum256(raw)) {
		return nil
	}
	return writeFile(to, raw, modeHandler)
}

// noteSuffix ends the name of the file that holds the SHA-256 of a local build's handler.
const noteSuffix = ".sha256"

// noteHandler writes the hash that reuseBinary checks.
func noteHandler(final string) error {
	raw, err := os.ReadFile(filepath.Join(final, handler))
	if err != nil {
		return err
	}
	return writeFile(final+noteSuffix, fmt.Appendf(nil, "%x", sha256.Sum256(raw)), modeFile)
}

// layOut copies the files that are not compiled. Functions host 4.1045 finds functions only in the folders beside
// host.json.
func layOut(root string, app App, tree string) error {
	triggers := app.Triggers
	if triggers == "" {
		triggers = "functions"
	}
	files := map[string]string{"host.json": filepath.Join(root, "host.json")}
	for _, f := range app.Functions {
		name := filepath.Join(f, "function.json")
		files[name] = filepath.Join(root, triggers, name)
	}
	for name, from := range files {
		raw, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		to := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(to), modeFolder); err != nil {
			return err
		}
		if err := writeFile(to, raw, modeFile); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file with that mode, whatever the umask is.
func writeFile(name string, raw []byte, mode os.FileMode) error {
	if err := os.WriteFile(name, raw, mode); err != nil {
		return err
	}
	return os.Chmod(name, mode)
}

// compileApp builds the handler. The same sources result in the same bytes, wherever the repository is.
func compileApp(ctx context.Context, o Options, s stamp, app App, to string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	system, machine, flags := "linux", "amd64", "-s -w" // the system is that of Flex Consumption
	if o.Local {
		system, machine = runtime.GOOS, runtime.GOARCH
	} else {
		flags += s.linkerFlags()
	}
	cmd := exec.CommandContext(ctx,
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", to, app.Package)
	cmd.Dir = o.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", app.Package, err, strings.TrimSpace(string(said)))
	}
	return os.Chmod(to, modeHandler)
}

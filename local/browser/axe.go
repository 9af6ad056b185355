package browser

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const installTime = 10 * time.Minute

// ReadAxe returns the program axe-core, which checks a page's accessibility and is not shipped. npm installs it, in the
// version of the lock file in local/browser/axe, on first use.
func ReadAxe(ctx context.Context, root string) (string, error) {
	folder := filepath.Join(root, "local", "browser", "axe")
	lock, err := os.ReadFile(filepath.Join(folder, lockFile))
	if err != nil {
		return "", err
	}
	installed := filepath.Join(folder, "node_modules")
	file := filepath.Join(installed, "axe-core", "axe.min.js")
	if raw, err := os.ReadFile(file); err == nil && isLocked(installed, lock) {
		return string(raw), nil
	}
	if err := installAxe(ctx, folder, installed, lock); err != nil {
		return "", fmt.Errorf("install axe-core: %w", err)
	}
	raw, err := os.ReadFile(file)
	return string(raw), err
}

const lockFile = "package-lock.json"

// isLocked reports whether the folder was installed by that lock file.
func isLocked(installed string, lock []byte) bool {
	had, err := os.ReadFile(filepath.Join(installed, lockFile))
	return err == nil && string(had) == string(lock)
}

// installAxe installs into a folder of its own and moves the result to its place, so that several processes may do it
// at once.
func installAxe(ctx context.Context, folder, installed string, lock []byte) error {
	work, err := os.MkdirTemp(folder, "node_modules.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	manifest, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return err
	}
	made := filepath.Join(work, "node_modules")
	if err := errors.Join(os.WriteFile(filepath.Join(work, "package.json"), manifest, 0o600),
		os.WriteFile(filepath.Join(work, lockFile), lock, 0o600)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir, npm.WaitDelay = work, 10*time.Second
	if said, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, said)
	}
	if err := os.WriteFile(filepath.Join(made, lockFile), lock, 0o600); err != nil {
		return err
	}
	if !isLocked(installed, lock) { // that of another version
		if err := os.RemoveAll(installed); err != nil {
			return err
		}
	}
	err = os.Rename(made, installed)
	if errors.Is(err, fs.ErrExist) && isLocked(installed, lock) { // another process was faster
		return nil
	}
	return err
}

// CheckAccess returns what axe-core finds wrong in the page as it is shown, and whether it is wider than the viewport.
func (p *Page) CheckAccess(axe string) ([]string, error) {
	if there, err := Eval[bool](p, "typeof axe === 'object'"); err != nil {
		return nil, err
	} else if !there {
		if _, err := Eval[int](p, axe+";0"); err != nil {
			return nil, fmt.Errorf("load axe-core: %w", err)
		}
	}
	found, err := Eval[[]string](p, `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v =>
		v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html.slice(0, 150)).slice(0, 3).join(' | ')))`)
	if err != nil {
		return nil, fmt.Errorf("run axe-core: %w", err)
	}
	wide, err := Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth")
	if err == nil && wide > 0 {
		found = append(found, fmt.Sprintf("the page is %d pixels wider than the viewport", wide))
	}
	return found, err
}

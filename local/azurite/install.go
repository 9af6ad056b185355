package azurite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"o2archiver/local/filelock"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	oldestNode  = 20
	installTime = 10 * time.Minute
	advice      = "install Node.js 20 or newer, which brings npm (https://nodejs.org)"
)

// installAzurite installs the Azurite of local/package-lock.json into local/node_modules if it is not there, and
// returns the path of its main script. Only one process installs at a time; the others wait for it.
func installAzurite(ctx context.Context, root string, log io.Writer) (string, error) {
	if err := CheckNode(ctx); err != nil {
		return "", err
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("find the repository's root: %w", err)
	}
	local := filepath.Join(root, "local")
	want, err := lockedVersion(filepath.Join(local, "package-lock.json"))
	if err != nil {
		return "", err
	}
	script := filepath.Join(local, "node_modules", "azurite", "dist", "src", "azurite.js")
	if isInstalled(local, want) {
		return script, nil
	}
	build := filepath.Join(root, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return "", err
	}
	lock, err := filelock.Wait(ctx, filepath.Join(build, "azurite.lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another installation of Azurite: %w", err)
	}
	defer lock.Close()
	if isInstalled(local, want) {
		return script, nil
	}
	fmt.Fprintf(log, "Installing Azurite %s (once; needs the npm registry) ...\n", want)
	if err := npmInstall(ctx, local, log); err != nil {
		return "", err
	}
	if !isInstalled(local, want) {
		return "", fmt.Errorf("install Azurite: npm said yes, but version %s is not in local/node_modules", want)
	}
	return script, nil
}

func npmInstall(ctx context.Context, local string, log io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("install Azurite: npm is not on PATH: " + advice)
	}
	// None of Azurite's packages needs its install scripts.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = local
	var said strings.Builder
	cmd.Stdout = io.MultiWriter(log, &said)
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install Azurite with npm ci in local: %w\n%s", err, said.String())
	}
	return nil
}

// CheckNode returns an error unless node is installed in a supported version. With an old one, Azurite itself would
// report a syntax error.
func CheckNode(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("start Azurite: node is not on PATH: " + advice)
	}
	if err != nil {
		return fmt.Errorf("ask node for its version: %w: %s", err, advice)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		return fmt.Errorf("start Azurite: node is %s: %s", version, advice)
	}
	return nil
}

// lockedVersion returns the version of Azurite in a lock file. Without the file the error matches os.ErrNotExist.
func lockedVersion(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read which Azurite to use: %w", err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(raw, &lock); err != nil {
		return "", fmt.Errorf("read which Azurite to use: %w", err)
	}
	version := lock.Packages["node_modules/azurite"].Version
	if version == "" {
		return "", fmt.Errorf("read which Azurite to use: %s does not name it", filepath.Base(file))
	}
	return version, nil
}

// isInstalled reports whether npm has finished installing this version: it writes its own lock file last.
func isInstalled(local, want string) bool {
	got, err := lockedVersion(filepath.Join(local, "node_modules", ".package-lock.json"))
	return err == nil && got == want
}

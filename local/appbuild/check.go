package appbuild

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Host holds the members of a host.json that this repository uses.
type Host struct {
	Version         string `json:"version"`
	FunctionTimeout string `json:"functionTimeout"` // hh:mm:ss
	CustomHandler   struct {
		Description struct {
			Path string `json:"defaultExecutablePath"`
		} `json:"description"`
		Proxying   bool `json:"enableProxyingHttpRequest"`
		Forwarding bool `json:"enableForwardingHttpRequest"`
		HTTP       struct {
			Routes []json.RawMessage `json:"routes"`
		} `json:"http"`
	} `json:"customHandler"`
	Bundle struct {
		ID      string `json:"id"`
		Version string `json:"version"`
	} `json:"extensionBundle"`
	Extensions struct {
		Blobs struct {
			Parallel int `json:"maxDegreeOfParallelism"`
			Poison   int `json:"poisonBlobThreshold"`
		} `json:"blobs"`
		HTTP struct {
			Prefix *string `json:"routePrefix"` // nil: the host's own, "api"
		} `json:"http"`
	} `json:"extensions"`
}

// Function holds the members of a function.json that this repository uses.
type Function struct {
	Name     string    `json:"-"` // name of its folder
	Bindings []Binding `json:"bindings"`
	Retry    *Retry    `json:"retry"`
}

// Binding is one binding of a function.
type Binding struct {
	Type       string `json:"type"`
	Direction  string `json:"direction"`
	Name       string `json:"name"`
	Schedule   string `json:"schedule"`
	Path       string `json:"path"`
	Connection string `json:"connection"`
	Source     string `json:"source"`
	Properties struct {
		Deferred bool `json:"supportsDeferredBinding"`
	} `json:"properties"`

	// Of an HTTP trigger.
	AuthLevel string   `json:"authLevel"`
	Route     string   `json:"route"`
	Methods   []string `json:"methods"` // in lower case; none: every method
}

// HTTPTrigger is the type of the trigger of a function that the host serves by HTTP.
const HTTPTrigger = "httpTrigger"

// methods are those that the portal answers.
var methods = []string{"get", "head", "post"}

// Retry is the retry policy of a function.
type Retry struct {
	Strategy string `json:"strategy"`
	Max      int    `json:"maxRetryCount"`
	Delay    string `json:"delayInterval"` // hh:mm:ss
}

// Trigger returns the binding that starts the function.
func (f Function) Trigger() Binding { return f.Bindings[0] }

// Read reads the host.json of a built app, and its functions sorted by name.
func Read(app string) (Host, []Function, error) {
	var host Host
	if err := readJSON(filepath.Join(app, "host.json"), &host); err != nil {
		return host, nil, err
	}
	found, err := filepath.Glob(filepath.Join(app, "*", "function.json"))
	if err != nil {
		return host, nil, err
	}
	slices.Sort(found)
	var functions []Function
	for _, name := range found {
		f := Function{Name: filepath.Base(filepath.Dir(name))}
		if err := readJSON(name, &f); err != nil {
			return host, nil, err
		}
		answers := len(f.Bindings) == 2 && f.Trigger().Type == HTTPTrigger && f.Bindings[1].Type == "http" &&
			f.Bindings[1].Direction == "out"
		if len(f.Bindings) != 1 && !answers {
			return host, nil, fmt.Errorf("function %s: %d bindings: every function here has its trigger and nothing "+
				"else, but for the answer to an HTTP trigger", f.Name, len(f.Bindings))
		}
		functions = append(functions, f)
	}
	return host, functions, nil
}

func readJSON(name string, v any) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(name), err)
	}
	return nil
}

// Check returns an error that names everything that the Functions host would refuse in a built app. Each rule was
// observed or read in host 4.1045, or is one of the plan Flex Consumption.
func Check(app string) error {
	host, functions, err := Read(app)
	if err != nil {
		return err
	}
	var wrong []error
	complain := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	complain(host.Version == "2.0", "host.json: version is not 2.0")
	complain(host.Bundle.ID == "Microsoft.Azure.Functions.ExtensionBundle" && host.Bundle.Version == "[4.*, 5.0.0)",
		"host.json: the extension bundle, which has the blob trigger, is not [4.*, 5.0.0)")
	complain(host.CustomHandler.Description.Path == handler, "host.json: the handler is not called %q", handler)
	// Forwarding (legacy) merges repeated query values and fails chunked requests; a request that is neither proxied
	// nor forwarded arrives as JSON.
	complain(host.CustomHandler.Proxying && !host.CustomHandler.Forwarding,
		"host.json: HTTP requests are not proxied: enableProxyingHttpRequest is needed, without "+
			"enableForwardingHttpRequest")
	complain(host.Extensions.HTTP.Prefix != nil && *host.Extensions.HTTP.Prefix == "",
		"host.json: the routePrefix of extensions.http is not empty, so pages would not be below /")
	complain(len(host.CustomHandler.HTTP.Routes) == 0,
		"host.json: the host refuses routes in customHandler.http beside a function.json")
	info, err := os.Lstat(filepath.Join(app, handler))
	complain(err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 == 0o111,
		"the handler is not there or not executable")
	complain(len(functions) > 0, "there is no function beside host.json")
	for _, f := range functions {
		t := f.Trigger()
		complain(t.Direction == "in" && t.Name != "",
			"function %s: the trigger has no name or the wrong direction", f.Name)
		switch t.Type {
		case "timerTrigger":
			complain(t.Schedule != "", "function %s: no schedule", f.Name)
		case "blobTrigger":
			complain(t.Path != "" && t.Connection != "", "function %s: path or connection is missing", f.Name)
			complain(t.Source == "EventGrid",
				"function %s: Flex Consumption refuses a blob trigger whose source is not EventGrid", f.Name)
			// Without it, the host parses the blob's content, whose members would overwrite the metadata, Uri included.
			complain(t.Properties.Deferred,
				"function %s: without deferred binding the blob's content can pose as metadata", f.Name)
			complain(f.Retry == nil, "function %s: a retry policy has no effect on a blob trigger", f.Name)
		case HTTPTrigger:
			// A proxied request reaches the handler at its public path: a browser's POST /sweep at that of a timer.
			complain(len(functions) == 1,
				"function %s: the app has other functions, which a browser could invoke by their paths", f.Name)
			complain(t.AuthLevel == "anonymous",
				"function %s: authLevel is not anonymous, and a browser has no function key", f.Name)
			complain(t.Route == "{*path}",
				"function %s: the route is not {*path}, so it does not get every path", f.Name)
			complain(slices.Equal(t.Methods, methods),
				"function %s: the methods are not %v: the host answers 404 for others", f.Name, methods)
			complain(len(f.Bindings) == 2,
				"function %s: an HTTP trigger without an output of type http answers nothing", f.Name)
			complain(f.Retry == nil, "function %s: a retry policy has no effect on an HTTP trigger", f.Name)
		default:
			complain(false, "function %s: trigger type %q is none that this repository uses", f.Name, t.Type)
		}
	}
	return errors.Join(wrong...)
}

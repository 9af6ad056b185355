package identity

import (
	"errors"
	"strings"
)

// The ways of sign-in, as in PORTAL_SIGN_IN.
const (
	ByPlatform   = "platform"   // App Service Authentication, if the platform's own variable confirms it
	ByDeployment = "deployment" // App Service Authentication, of which the deployment alone says that it is on
	OnMachine    = "local"      // no sign-in: one machine
)

// Choose returns the Func for a way of sign-in. environment holds the process's variables as name=value. The error says
// why every request is refused; the Func is usable all the same.
func Choose(way, tenant string, environment []string) (Func, error) {
	platform := map[string]string{}
	for _, v := range environment {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "WEBSITE_") {
			platform[name] = value
		}
	}
	enabled, said := platform["WEBSITE_AUTH_ENABLED"]
	on := strings.EqualFold(enabled, "true")
	switch {
	case way == OnMachine && isOnPlatform(platform):
		return Refuse(),
			errors.New("PORTAL_SIGN_IN=local is for one machine, and this one is Azure's: every request is refused")
	case way == OnMachine:
		return Local(), nil
	case tenant == "":
		return Refuse(), errors.New("PORTAL_TENANT is missing, so every request is refused")
	case way == ByPlatform && on, way == ByDeployment && (on || !said):
		return Platform(tenant), nil
	default:
		return Refuse(),
			errors.New("the platform does not sign people in (WEBSITE_AUTH_ENABLED), so every request is refused")
	}
}

// isOnPlatform reports whether the variables are those of App Service. Core Tools set WEBSITE_HOSTNAME to the loopback
// address on which they listen.
func isOnPlatform(platform map[string]string) bool {
	for name, value := range platform {
		if name != "WEBSITE_HOSTNAME" || !isLoopback(value) {
			return true
		}
	}
	return false
}

package azure

import (
	"net/netip"
	"net/url"

	"o2archiver/shared/record"
)

// IsLoopback reports whether the host, without a port, is this machine, whatever a name server says (RFC 6761 section
// 6.3). A token may be sent without TLS to such a host only.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return record.EqualFoldASCII(host, "localhost") || err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// SameOrigin reports whether two addresses have the same scheme, host and port (RFC 6454 section 4). A missing port is
// the scheme's default.
func SameOrigin(a, b *url.URL) bool {
	return record.EqualFoldASCII(a.Scheme, b.Scheme) && record.EqualFoldASCII(a.Hostname(), b.Hostname()) &&
		portOf(a) == portOf(b)
}

// portOf returns the address's port, or the scheme's default.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	switch record.LowerASCII(u.Scheme) {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"o2archiver/handlers/portal/internal/web"
	"o2archiver/shared/control"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery/sftpstore"
)

// shownKey is the key that an SFTP server has shown to a person, who compares it with what its operator states.
type shownKey struct {
	Host        string `json:"host"`
	Algorithm   string `json:"algorithm"`
	Fingerprint string `json:"fingerprint"`
	Pin         string `json:"pin"`
}

// serverFields are the fields of an account at an SFTP server as they are used.
type serverFields struct {
	host, user, folder        string
	password, key, passphrase settings.Secret
}

// testServer checks the fields of an account at an SFTP server. Without an accepted host key it only asks for the key,
// to which nothing secret is sent; with one it signs in and lists the folder.
func (s *Setup) testServer(r *web.Request, st *state, f *sourceForm) (t tested, err error) {
	in := s.readServer(r, f)
	askOnly := r.PostFormValue("do") == "key" || st.draft.HostKey == nil || st.draft.HostKey.Host != in.host
	if askOnly {
		for field := range f.wrong {
			if field != "host" {
				delete(f.wrong, field)
			}
		}
	}
	switch key := st.draft.HostKey; {
	case len(f.wrong) > 0:
		return tested{}, nil
	case askOnly:
		delete(f.in, "accept")
		return tested{}, s.askHostKey(r, st, f, in)
	case f.in["accept"] != key.Fingerprint:
		f.wrong["accept"] = "Compare the fingerprint, and tick the box: nothing is sent to a server that is not " +
			"recognized."
		return tested{}, nil
	case f.in["keep"] == "on" && s.opts.SFTPPassword != nil && s.isOtherServer(st.connector, in.host):
		f.wrong["keep"] = "The password in Key Vault was entered for another server, and is not sent to this one. " +
			"Enter what this server asks for."
		return tested{}, nil
	case f.in["keep"] != "on" && !in.password.Set() && !in.key.Set():
		f.wrong[s.secretField()] = "Enter what the server asks for: a password, a key, or both."
		return tested{}, nil
	}
	if err := s.beginTest(r, st, f); err != nil {
		return tested{}, err
	}
	f.failed, err = s.signIn(r.Context(), in, st.draft.HostKey, f.in["keep"] == "on")
	if err != nil || f.failed != nil {
		return tested{}, err
	}
	t.values = map[string]string{sftpHost: in.host, sftpUser: in.user, deliveryFolder: in.folder,
		sftpHostKeys: s.pinsOf(st.connector, in.host, st.draft.HostKey.Pin)}
	if f.in["keep"] == "on" {
		return t, nil
	}
	for _, each := range []secretToStore{{s.opts.SFTPPassword, in.password}, {s.opts.SFTPKey, in.key},
		{s.opts.SFTPPassphrase, in.passphrase}} {
		if each.value.Set() {
			t.secrets = append(t.secrets, each)
		}
	}
	return t, nil
}

// pinsOf returns the setting of a server's keys for the one that was accepted. A server may have several: if that one
// is in force already, so are the others.
func (s *Setup) pinsOf(c control.Connector, host, accepted string) string {
	inForce := s.value(c, sftpHostKeys)
	if s.isOtherServer(c, host) {
		return accepted
	}
	for pin := range strings.SplitSeq(inForce, ",") {
		if strings.Join(strings.Fields(pin), " ") == accepted {
			return inForce
		}
	}
	return accepted
}

// isOtherServer reports whether a host is another one than that in force. A stored password was entered for the latter,
// or, if none is in force, in an unfinished set-up, perhaps by another person: it can't be read back, and must not be
// got hold of by naming a server that records it.
func (s *Setup) isOtherServer(c control.Connector, host string) bool {
	return s.value(c, sftpHost) != host
}

// secretField returns the first field of a secret that the page has.
func (s *Setup) secretField() string {
	if s.opts.SFTPPassword != nil {
		return "password"
	}
	return "key"
}

// readServer returns the fields, and adds to f.wrong what is wrong with them.
func (s *Setup) readServer(r *web.Request, f *sourceForm) (in serverFields) {
	for _, each := range []struct {
		field, setting, missing string
		to                      *string
	}{
		{"host", sftpHost, "Enter the server, such as sftp.contoso.com.", &in.host},
		{"username", sftpUser, "Enter the user name.", &in.user},
		{"folder", deliveryFolder, "", &in.folder},
	} {
		wrong := ""
		*each.to, wrong = readSetting(each.setting, f.in[each.field], (*settings.Reader).String)
		if f.in[each.field] == "" {
			wrong = each.missing
		}
		if wrong != "" {
			f.wrong[each.field] = wrong
		}
	}
	for _, each := range []struct {
		field string
		place Secret
		parse func(string) (settings.Secret, error)
		to    *settings.Secret
	}{
		{"password", s.opts.SFTPPassword, settings.ParsePassword, &in.password},
		{"key", s.opts.SFTPKey, settings.ParsePrivateKey, &in.key},
		{"passphrase", s.opts.SFTPPassphrase, settings.ParsePassword, &in.passphrase},
	} {
		if each.place == nil {
			continue
		}
		wrong := ""
		if *each.to, wrong = readSecret(r, each.field, each.parse); wrong != "" {
			f.wrong[each.field] = wrong
		}
	}
	if in.passphrase.Set() && !in.key.Set() {
		f.wrong["passphrase"] = "It belongs to a private key: enter the key too."
	}
	return in
}

// askHostKey asks a server for its key, which is then kept in the draft. Without a pinned key the connection ends
// before anything of the account is sent, so that the user name and the password are placeholders.
func (s *Setup) askHostKey(r *web.Request, st *state, f *sourceForm, in serverFields) error {
	if err := s.beginTest(r, st, f); err != nil {
		return err
	}
	f.asked = true
	placeholder := serverFields{host: in.host, user: "-", password: settings.NewSecret("-")}
	shown, err := s.checkServer(r.Context(), placeholder, sftpstore.HostKeys{})
	switch {
	case r.Context().Err() != nil:
		return context.Cause(r.Context())
	case shown.Pin == "":
		f.failed = explainServer(err)
	default:
		f.hostKey = &shownKey{in.host, shown.Algorithm, shown.Fingerprint, shown.Pin}
	}
	return nil
}

func (s *Setup) checkServer(ctx context.Context, in serverFields, keys sftpstore.HostKeys) (sftpstore.HostKey, error) {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	store, err := s.openServer(in, keys)
	if err != nil {
		return sftpstore.HostKey{}, err
	}
	defer store.Close()
	return store.Check(ctx)
}

// signIn signs in and lists the folder. With keep it only looks whether the server still has the key: what is in the
// vault can't be read here.
func (s *Setup) signIn(ctx context.Context, in serverFields, shown *shownKey, keep bool) (*failedTest, error) {
	keys, err := sftpstore.ParseHostKeys(shown.Pin)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	if keep {
		in.user, in.password = "-", settings.NewSecret("-")
		now, err := s.checkServer(ctx, in, sftpstore.HostKeys{})
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case now.Pin == "":
			return explainServer(err), nil
		case now.Pin != shown.Pin:
			return explainServer(sftpstore.ErrHostKey), nil
		}
		return nil, nil
	}
	store, err := s.openServer(in, keys)
	if err != nil { // the private key: its error is in plain words
		return &failedTest{startSentence(err.Error()) + ".", "Correct it, and type the secrets again."}, nil
	}
	defer store.Close()
	_, err = store.List(bounded)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return explainServer(err), nil
}

func (s *Setup) openServer(in serverFields, keys sftpstore.HostKeys) (*sftpstore.Store, error) {
	dial := s.opts.Dial
	switch {
	case dial != nil:
	case s.opts.OnMachine:
		dial = (&net.Dialer{}).DialContext
	default:
		dial = (&net.Dialer{Control: refuseOwnAddresses}).DialContext
	}
	return sftpstore.New(sftpstore.Config{Host: in.host, Username: in.user, Password: in.password, Key: in.key,
		KeyPassphrase: in.passphrase, HostKeys: keys, Folder: in.folder}, sftpstore.Options{Dial: dial})
}

// errOwnAddress is the error of a connection that is not made.
var errOwnAddress = errors.New("this address is not connected to")

// platformAddress is a public address at which Azure answers every machine of its own with what concerns that machine.
var platformAddress = netip.AddrFrom4([4]byte{168, 63, 129, 16})

// refuseOwnAddresses refuses the addresses of this machine, of its link and of Azure itself, after the server's name
// was resolved: a function app has its identity's endpoint there.
func refuseOwnAddresses(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errOwnAddress
	}
	ip := to.Addr().Unmap()
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() ||
		ip == platformAddress {
		return errOwnAddress
	}
	return nil
}

// explainServer returns what a refusal of the server means, or nil if err is nil.
func explainServer(err error) *failedTest {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sftpstore.ErrHostKey):
		return &failedTest{"The server has shown another key than the one that you accepted.",
			"Ask for the key again, and compare it with what the server's operator states. Nothing " +
				"was sent to the server."}
	case errors.Is(err, sftpstore.ErrCredentials):
		return &failedTest{"The server refuses the user name, the key or the password.",
			"Compare them with what the server's operator has set up. Several refusals one after the " +
				"other may lock the account."}
	case errors.Is(err, sftpstore.ErrDenied):
		return &failedTest{"The sign-in passed, but the user may not list the folder.",
			"Ask the server's operator for the right to list the folder and to read its files."}
	case errors.Is(err, sftpstore.ErrNotFound):
		return &failedTest{"The sign-in passed, but there is no such folder.",
			"Correct the folder; without one, the user's home folder is read."}
	case errors.Is(err, context.DeadlineExceeded):
		return &failedTest{"The server did not answer within 30 seconds.",
			"Compare its name and port, and ask whether this application's address has to be allowed there."}
	}
	return &failedTest{fmt.Sprintf("The test could not be made: %v.", err),
		"Compare the server's name and port, and ask whether this application's address has to be allowed there."}
}

package sftpstore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// maxHostKeys is the maximum number of pinned keys.
const maxHostKeys = 16

// HostKeys are the keys by which a server is recognized. They are pinned whole: a fingerprint is for people to compare.
type HostKeys struct{ keys []ssh.PublicKey }

// Len returns the number of keys.
func (k HostKeys) Len() int { return len(k.keys) }

// ParseHostKeys returns the keys of a list, each as "algorithm base64", separated by commas: the second and third
// fields of a line of known_hosts. The errors do not repeat the list.
func ParseHostKeys(list string) (HostKeys, error) {
	var all HostKeys
	for i, entry := range strings.Split(list, ",") {
		fields := strings.Fields(entry)
		if len(fields) == 0 {
			continue // of an empty list, or after the last comma
		}
		key, err := parseHostKey(fields)
		if err != nil {
			return HostKeys{}, fmt.Errorf("host key %d: %w", i+1, err)
		}
		if !all.has(key) {
			all.keys = append(all.keys, key)
		}
		if len(all.keys) > maxHostKeys {
			return HostKeys{}, fmt.Errorf("there are more than %d host keys", maxHostKeys)
		}
	}
	return all, nil
}

func parseHostKey(fields []string) (ssh.PublicKey, error) {
	if len(fields) != 2 {
		return nil, errors.New("it is not an algorithm and the key in base64, separated by a blank")
	}
	if strings.Contains(fields[0], "-cert-") {
		return nil, errors.New("it is a certificate, which cannot be pinned")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, errors.New("the key is not base64")
	}
	key, err := ssh.ParsePublicKey(raw)
	if err != nil {
		return nil, errors.New("the key cannot be read")
	}
	if _, certificate := key.(*ssh.Certificate); certificate {
		return nil, errors.New("it is a certificate, which cannot be pinned")
	}
	if key.Type() != fields[0] {
		return nil, errors.New("the key is not one of the algorithm before it")
	}
	if hostKeyAlgorithms(key.Type()) == nil {
		return nil, errors.New("its algorithm is none of ssh-ed25519, ecdsa-sha2-nistp256, -384 and -521, and ssh-rsa")
	}
	return key, nil
}

// hostKeyAlgorithms returns the algorithms by which a server may prove that it has a key of a type.
//
// QUIRK: a key of type ssh-rsa is asked for by the names of its signatures with SHA-2. The algorithm ssh-rsa is the
// signature with SHA-1, which OpenSSH 8.8 and later refuse.
func hostKeyAlgorithms(keyType string) []string {
	switch keyType {
	case ssh.KeyAlgoRSA:
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return []string{keyType}
	}
	return nil
}

// algorithms returns the algorithms of all keys. Without the restriction to them a server with keys of several types
// would choose one that is not pinned, and the pinned one would seem to have changed (golang/go#29286).
func (k HostKeys) algorithms() (all []string) {
	for _, key := range k.keys {
		for _, name := range hostKeyAlgorithms(key.Type()) {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

func (k HostKeys) has(key ssh.PublicKey) bool {
	raw := key.Marshal()
	return slices.ContainsFunc(k.keys, func(each ssh.PublicKey) bool { return bytes.Equal(each.Marshal(), raw) })
}

// HostKey is the key that a server has shown, for an administrator to compare.
type HostKey struct {
	Algorithm   string // e.g. ssh-ed25519; that of an RSA key is ssh-rsa, whatever its signature
	Fingerprint string // SHA256:… as ssh-keygen prints it
	Pin         string // "algorithm base64", as ParseHostKeys reads it
}

func describeKey(key ssh.PublicKey) HostKey {
	return HostKey{
		Algorithm: key.Type(), Fingerprint: ssh.FingerprintSHA256(key),
		Pin: key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal()),
	}
}

// errPin makes the handshake end before anything is sent that the server could use.
var errPin = errors.New("the host key is not pinned")

// check returns a callback that accepts the pinned keys only, and stores what it saw in h.
func (k HostKeys) check(h *handshake) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, key ssh.PublicKey) error {
		if !k.has(key) {
			h.saw(key, keyRefused)
			return errPin
		}
		h.saw(key, keyAccepted)
		return nil
	}
}

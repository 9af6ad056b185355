package sftpstore

import (
	"bytes"
	"encoding/pem"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/crypto/ssh"
)

const maxKeys = 4 // private keys: during a change of keys there are two

// The forms in which a key cannot be used. Each error says what to do.
var (
	errNoKey = errors.New("the private key is neither in OpenSSH's form nor PEM, from its line -----BEGIN to its " +
		"line -----END")
	errPublicKey = errors.New("the key is a public one: the private one is needed, mostly in the file of that " +
		"name without .pub")
	errCertificate = errors.New("the key is a certificate: the private key that belongs to it is needed")
	errPuTTY       = errors.New("the private key is in PuTTY's form: export it as an OpenSSH key (puttygen, " +
		"Conversions)")
	errSSHCom = errors.New("the private key is in the form of SSH2: convert it with ssh-keygen -i -f FILE")
	errPKCS8  = errors.New("the private key is encrypted in the form PKCS #8: convert it with " +
		"ssh-keygen -p -f FILE, which asks for its passphrase and for a new one")
	errNoPassphrase = errors.New("the private key is encrypted, and its passphrase is not given")
	errPassphrase   = errors.New("the private key cannot be decrypted with the passphrase: it is another one, or " +
		"the key is damaged")
	errCipher = errors.New("the private key is encrypted with a cipher that cannot be used: convert it with " +
		"ssh-keygen -p -Z aes256-ctr -f FILE")
	errKind = errors.New("the private key is damaged, or of a kind that cannot be used; ed25519, ecdsa and rsa can")
)

// parseKeys returns the signers for private keys, one after the other in OpenSSH's form or PEM. passphrase is for those
// that are encrypted. Text before a key and blocks that are no private key, such as the parameters of a curve, are
// skipped. The errors do not repeat anything of the keys.
func parseKeys(text, passphrase string) ([]ssh.Signer, error) {
	var all []ssh.Signer
	skipped := errNoKey
	for rest := []byte(strings.TrimSpace(restoreLines(text))); len(rest) > 0; {
		block, after := pem.Decode(rest)
		if block == nil {
			if skipped != errNoKey && len(all) == 0 {
				return nil, skipped
			}
			return nil, describeText(rest)
		}
		rest = bytes.TrimSpace(after)
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		case strings.HasSuffix(block.Type, "PUBLIC KEY"):
			skipped = errPublicKey
			continue
		case strings.HasSuffix(block.Type, "CERTIFICATE"):
			skipped = errCertificate
			continue
		default: // EC PARAMETERS
			continue
		}
		signer, err := parseKey(block, passphrase)
		if err != nil {
			return nil, err
		}
		if all = append(all, signer); len(all) > maxKeys {
			return nil, errors.New("there are more than 4 private keys")
		}
	}
	if len(all) == 0 && text != "" {
		return nil, skipped
	}
	return all, nil
}

// describeText returns what is wrong with a text that has no key.
func describeText(text []byte) error {
	begins := func(all ...string) bool {
		for _, prefix := range all {
			if bytes.HasPrefix(text, []byte(prefix)) {
				return true
			}
		}
		return false
	}
	switch {
	case begins("PuTTY-User-Key-File"):
		return errPuTTY
	case begins("ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC KEY"):
		return errPublicKey
	case begins("---- BEGIN SSH2"):
		return errSSHCom
	}
	return errNoKey
}

// oneLine is a key whose lines were joined.
var oneLine = regexp.MustCompile(`(-----BEGIN [A-Z0-9 ]+-----)([A-Za-z0-9+/= \t]+)(-----END [A-Z0-9 ]+-----)`)

// restoreLines returns keys with their line ends, which are lost where a form has one line, or stand as \n where JSON
// or a setting has them.
func restoreLines(text string) string {
	if !strings.Contains(strings.TrimSpace(text), "\n") {
		text = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", "\r", "\n").Replace(text)
	}
	return oneLine.ReplaceAllString(text, "\n$1\n$2\n$3\n")
}

func parseKey(block *pem.Block, passphrase string) (ssh.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		return nil, errPKCS8
	}
	data := pem.EncodeToMemory(block)
	signer, err := ssh.ParsePrivateKey(data)
	if _, encrypted := errors.AsType[*ssh.PassphraseMissingError](err); encrypted {
		if passphrase == "" {
			return nil, errNoPassphrase
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(data, []byte(passphrase))
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "unknown cipher"), strings.Contains(err.Error(), "unknown encryption mode"):
			return nil, errCipher
		default: // a wrong passphrase can also end in bytes that are no key
			return nil, errPassphrase
		}
	}
	if err != nil {
		return nil, errKind
	}
	return signer, nil
}

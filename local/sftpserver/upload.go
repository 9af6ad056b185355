package sftpserver

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// Account is how to sign in to a server, in the form of the settings DELIVERY_SFTP_….
type Account struct {
	Address            string // host or host:port
	Username, Password string
	Key, KeyPassphrase string // private key, OpenSSH or PEM; "": none
	HostKeys           string // "algorithm base64", separated by commas
	Folder             string // "": the home folder
}

// File is a file to upload.
type File struct {
	Name    string
	Data    []byte
	ModTime time.Time
}

// signInTime is the limit of time for a connection and the sign-in.
const signInTime = 30 * time.Second

// Endpoint returns the address with a port.
func (a Account) Endpoint() string {
	if _, _, err := net.SplitHostPort(a.Address); err == nil {
		return a.Address
	}
	return net.JoinHostPort(strings.Trim(a.Address, "[]"), "22")
}

// ReadHostKey returns the host key that the server shows, in the form of Account.HostKeys, and its fingerprint. It does
// not sign in.
func ReadHostKey(ctx context.Context, a Account) (pin, fingerprint string, err error) {
	conn, err := (&net.Dialer{Timeout: signInTime}).DialContext(ctx, "tcp", a.Endpoint())
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(signInTime)); err != nil {
		return "", "", err
	}
	_, _, _, err = ssh.NewClientConn(conn, a.Endpoint(), &ssh.ClientConfig{
		HostKeyAlgorithms: ssh.SupportedAlgorithms().HostKeys,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			pin, fingerprint = pinOf(key), ssh.FingerprintSHA256(key)
			return errors.New("its key was seen")
		}})
	if pin != "" {
		err = nil
	}
	return pin, fingerprint, err
}

// pinOf returns a host key in the form of Account.HostKeys.
func pinOf(key ssh.PublicKey) string {
	return key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
}

// openSession signs in. The connection ends with ctx.
func openSession(ctx context.Context, a Account) (client *sftp.Client, closeAll func(), err error) {
	config, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	address := a.Endpoint()
	conn, err := (&net.Dialer{Timeout: signInTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	if client, err = signIn(conn, address, config); err != nil {
		stop()
		_ = conn.Close()
		return nil, nil, err
	}
	return client, func() {
		stop()
		_ = conn.Close()
	}, nil
}

// signIn starts an SFTP session on a connection.
func signIn(conn net.Conn, address string, config *ssh.ClientConfig) (*sftp.Client, error) {
	if err := conn.SetDeadline(time.Now().Add(signInTime)); err != nil {
		return nil, err
	}
	signedIn, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		return nil, err
	}
	client, err := sftp.NewClient(ssh.NewClient(signedIn, channels, requests))
	if err != nil {
		return nil, err
	}
	return client, conn.SetDeadline(time.Time{})
}

// config returns the SSH client's configuration.
func (a Account) config() (*ssh.ClientConfig, error) {
	config := &ssh.ClientConfig{User: a.Username, Timeout: signInTime}
	pinned := map[string]bool{}
	for entry := range strings.SplitSeq(a.HostKeys, ",") {
		fields := strings.Fields(entry)
		if len(fields) == 0 {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
		if err != nil {
			return nil, errors.New("a host key is not base64")
		}
		key, err := ssh.ParsePublicKey(raw)
		if err != nil {
			return nil, errors.New("a host key can't be read")
		}
		pinned[string(key.Marshal())] = true
		algorithms := []string{key.Type()}
		if key.Type() == ssh.KeyAlgoRSA { // asked for by the names of its signatures with SHA-2
			algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		config.HostKeyAlgorithms = append(config.HostKeyAlgorithms, algorithms...)
	}
	config.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		if !pinned[string(key.Marshal())] {
			return errors.New("the server has another host key: " + ssh.FingerprintSHA256(key))
		}
		return nil
	}
	if a.Key != "" {
		signer, err := ssh.ParsePrivateKey([]byte(a.Key))
		if a.KeyPassphrase != "" {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(a.Key), []byte(a.KeyPassphrase))
		}
		if err != nil {
			return nil, errors.New("the private key can't be used")
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if a.Password != "" {
		answer := func(_, _ string, questions []string, _ []bool) (answers []string, err error) {
			for range questions {
				answers = append(answers, a.Password)
			}
			return answers, nil
		}
		config.Auth = append(config.Auth, ssh.Password(a.Password), ssh.KeyboardInteractive(answer))
	}
	return config, nil
}

// List returns the names and sizes of the files in the account's folder.
func List(ctx context.Context, a Account) (map[string]int64, error) {
	client, closeAll, err := openSession(ctx, a)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	return listFolder(ctx, client, a)
}

func listFolder(ctx context.Context, client *sftp.Client, a Account) (map[string]int64, error) {
	found, err := client.ReadDirContext(ctx, path.Clean(a.Folder))
	if err != nil {
		return nil, fmt.Errorf("list the folder: %w", err)
	}
	files := map[string]int64{}
	for _, info := range found {
		files[info.Name()] = info.Size()
	}
	return files, nil
}

// Upload uploads those of the files that the folder does not have: each under a temporary name, with its time, and then
// under its own. It returns the number of files that it uploaded.
func Upload(ctx context.Context, a Account, files []File) (n int, err error) {
	client, closeAll, err := openSession(ctx, a)
	if err != nil {
		return 0, err
	}
	defer closeAll()
	there, err := listFolder(ctx, client, a)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if size, ok := there[f.Name]; ok && size == int64(len(f.Data)) {
			continue
		} else if ok {
			return n, errors.New("upload a file: another one with its name is there")
		}
		if err := uploadFile(client, path.Clean(a.Folder), f); err != nil {
			return n, fmt.Errorf("upload a file: %w", err)
		}
		n++
	}
	return n, nil
}

func uploadFile(client *sftp.Client, folder string, f File) error {
	final := path.Join(folder, f.Name)
	temporary := final + ".filepart"
	// Not every server lets a file be opened for reading and writing at once.
	file, err := client.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = file.ReadFrom(bytes.NewReader(f.Data))
	closed := file.Close()
	if err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	// A server that does not set times keeps that of the upload.
	_ = client.Chtimes(temporary, f.ModTime, f.ModTime)
	return client.Rename(temporary, final)
}

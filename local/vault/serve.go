package vault

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Server is a vault that is served by TLS on this machine.
type Server struct {
	URL         string // https://127.0.0.1:<port>
	Certificate string // file with the certificate. A process trusts it if SSL_CERT_FILE names the file (Go, on Linux)

	server *http.Server
}

// Serve serves the vault on a free port, with a certificate that is made now and written into the folder dir. Key Vault
// answers by TLS only, and azsecrets sends a token to nothing else.
func Serve(v http.Handler, dir string) (*Server, error) {
	certificate, err := makeCertificate(time.Now())
	if err != nil {
		return nil, fmt.Errorf("make the vault's certificate: %w", err)
	}
	file := filepath.Join(dir, "vault.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, fmt.Errorf("write the vault's certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: v, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:  log.New(io.Discard, "", 0), // a client that does not trust the certificate is not an error here
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }() // until Close
	return &Server{URL: "https://" + listener.Addr().String(), Certificate: file, server: server}, nil
}

// Close ends the server and its connections. It may be called twice.
func (s *Server) Close() { _ = s.server.Close() }

// makeCertificate returns a certificate for this machine that is its own authority and is valid for a day.
func makeCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Key Vault's stand-in"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, nil
}

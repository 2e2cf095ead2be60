package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	stdbase64 "encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// The users of the cluster's own parts. Every part has an account of its own,
// so that the audit log tells who did what.
const (
	userAdmin       = "admin"
	userManager     = "system:kube-controller-manager"
	userScheduler   = "system:kube-scheduler"
	userProxy       = "system:kube-proxy"
	userCoreDNS     = "testcluster:coredns"
	userProvisioner = "testcluster:provisioner"
)

func nodeUser(node string) string { return "system:node:" + node }

// identities are the tokens of the cluster's parts, by user name.
type identities map[string]string

// makeIdentities writes certificates, keys and tokens, once per cluster. The
// token file is written last: its presence says that all the others are there.
func (c *Cluster) makeIdentities() (identities, error) {
	path := c.Path("pki", "tokens.csv")
	if _, err := os.Stat(path); err == nil {
		return readTokens(path)
	}
	if err := c.makeCertificates(); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	groups := map[string]string{userAdmin: "system:masters", userProvisioner: "system:masters"}
	users := []string{userAdmin, userManager, userScheduler, userProxy, userCoreDNS, userProvisioner}
	for n := 1; n <= MaxNodes; n++ {
		user := nodeUser(c.NodeName(n))
		users = append(users, user)
		groups[user] = "system:nodes"
	}
	var lines strings.Builder
	for _, user := range users {
		secret := make([]byte, 16)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		fmt.Fprintf(&lines, "%s,%s,%s,%q\n", hex.EncodeToString(secret), user, user, groups[user])
	}
	if err := writeFile(path, []byte(lines.String()), 0o600); err != nil {
		return nil, err
	}
	return readTokens(path)
}

func readTokens(path string) (identities, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	tokens := identities{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if fields := strings.Split(line, ","); len(fields) >= 2 {
			tokens[fields[1]] = fields[0]
		}
	}
	return tokens, nil
}

// makeCertificates writes the authority, the API server's certificate, its
// client certificate towards the kubelets, and the key of the ServiceAccounts'
// tokens.
func (c *Cluster) makeCertificates() error {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := template("testcluster " + c.Name)
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	if err := c.sign("ca", authority, authorityKey, authority, authorityKey); err != nil {
		return err
	}
	server := template("kube-apiserver")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), c.NodeIP(1), c.APIServiceIP()}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	client := template("kube-apiserver-kubelet-client")
	client.Subject.Organization = []string{"system:masters"}
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, certificate := range map[string]*x509.Certificate{"apiserver": server, "kubelet-client": client} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := c.sign(name, certificate, key, authority, authorityKey); err != nil {
			return err
		}
	}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return c.writeKey("service-accounts", accounts)
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// sign writes pki/NAME.key and pki/NAME.crt.
func (c *Cluster) sign(name string, certificate *x509.Certificate, key *ecdsa.PrivateKey, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	if err != nil {
		return err
	}
	if err := c.writeKey(name, key); err != nil {
		return err
	}
	return writeFile(c.Path("pki", name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func (c *Cluster) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(c.Path("pki", name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// writeKubeconfig writes a client configuration that needs no other file.
func (c *Cluster) writeKubeconfig(path, user, token string) error {
	authority, err := os.ReadFile(c.Path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	return writeFile(path, []byte(fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster: {server: %[2]q, certificate-authority-data: %[3]s}
users:
- name: %[1]s-%[4]s
  user: {token: %[5]q}
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: "%[1]s-%[4]s"}
current-context: %[1]s
`, c.Name, c.Server(), base64(authority), strings.ReplaceAll(user, ":", "-"), token)), 0o600)
}

func base64(data []byte) string { return stdbase64.StdEncoding.EncodeToString(data) }

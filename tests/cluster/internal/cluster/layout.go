// Package cluster starts, inspects and removes test clusters.
//
// One rule makes removal complete whatever was killed before: everything that
// a cluster makes is either bound to the life of its processes (network and
// mount namespaces, and with them links, routes, firewall rules and mounts) or
// has a name that derives from the cluster's name (control groups, the bridge,
// the state directory). Every process is born inside the cluster's control
// group, so "kill the group" reaches all of them and nothing else, and no
// recycled process id can be hit.
//
// The package may touch: /var/lib/testcluster, control groups under
// /testcluster, links named tc-*. Nothing else of the machine, except for
// creating the empty directories that the nodes cover with their own.
package cluster

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
)

// MaxNodes is the largest number of nodes of one cluster. The API server knows
// the tokens of all of them from the start.
const MaxNodes = 3

// stateRoot holds one directory per cluster. It is short, because sockets lie
// below it and a socket's path may have 107 bytes at most.
const stateRoot = "/var/lib/testcluster"

// firstNet is the second byte of cluster 0's addresses: cluster i owns
// 10.(firstNet+i).0.0/16.
const (
	firstNet    = 64
	maxClusters = 32
)

// validName keeps "tc-NAME-1" within the 15 characters of a link's name.
var validName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,8}[a-z0-9]$`)

// Cluster is a cluster's identity; everything else derives from it.
type Cluster struct {
	// Name is unique on this machine.
	Name string `json:"name"`
	// Index chooses the addresses.
	Index int `json:"index"`
	// Nodes is the number of nodes, 1 to MaxNodes.
	Nodes int `json:"nodes"`
}

// CheckName says why a name cannot be a cluster's name.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("cluster name %q: use 2 to 10 lower-case letters, digits and hyphens, starting with a letter", name)
	}
	return nil
}

// Dir is the cluster's state directory; removing it removes all state.
func (c *Cluster) Dir() string { return filepath.Join(stateRoot, c.Name) }

// Path is a path inside the state directory.
func (c *Cluster) Path(parts ...string) string {
	return filepath.Join(append([]string{c.Dir()}, parts...)...)
}

// Kubeconfig is the administrator's client configuration.
func (c *Cluster) Kubeconfig() string { return KubeconfigPath(c.Name) }

// KubeconfigPath is where the named cluster's client configuration lies,
// whether the cluster exists or not.
func KubeconfigPath(name string) string {
	return filepath.Join(stateRoot, name, "admin.kubeconfig")
}

// NodeName is the name of node n, counted from 1.
func (c *Cluster) NodeName(n int) string { return fmt.Sprintf("node%d", n) }

// NodePath is a path inside node n's part of the state directory.
func (c *Cluster) NodePath(n int, parts ...string) string {
	return c.Path(append([]string{c.NodeName(n)}, parts...)...)
}

// ContainerdSocket is node n's containerd API.
func (c *Cluster) ContainerdSocket(n int) string { return c.NodePath(n, "containerd.sock") }

// Bridge is the link in the machine's namespace that joins the nodes.
func (c *Cluster) Bridge() string { return "tc-" + c.Name }

// Port is the machine's end of node n's cable.
func (c *Cluster) Port(n int) string { return fmt.Sprintf("tc-%s-%d", c.Name, n) }

func (c *Cluster) subnet(third, fourth, bits int) string {
	return fmt.Sprintf("10.%d.%d.%d/%d", firstNet+c.Index, third, fourth, bits)
}

// HostIP is the machine's address on the cluster's network.
func (c *Cluster) HostIP() net.IP { return net.IPv4(10, byte(firstNet+c.Index), 0, 254) }

// NodeIP is node n's address; node 1's is also the API server's.
func (c *Cluster) NodeIP(n int) net.IP { return net.IPv4(10, byte(firstNet+c.Index), 0, byte(n)) }

// PodCIDR is node n's share of the pod addresses.
func (c *Cluster) PodCIDR(n int) string { return c.subnet(16+n, 0, 24) }

// ClusterCIDR spans all pod addresses.
func (c *Cluster) ClusterCIDR() string { return c.subnet(16, 0, 20) }

// ServiceCIDR spans all Service addresses.
func (c *Cluster) ServiceCIDR() string { return c.subnet(96, 0, 20) }

// DNSIP is the Service address of the name server.
func (c *Cluster) DNSIP() string { return fmt.Sprintf("10.%d.96.10", firstNet+c.Index) }

// APIServiceIP is the first Service address, which "kubernetes" gets.
func (c *Cluster) APIServiceIP() net.IP { return net.IPv4(10, byte(firstNet+c.Index), 96, 1) }

// Server is the API server's URL, the same from the machine, nodes and pods.
func (c *Cluster) Server() string { return fmt.Sprintf("https://%s:6443", c.NodeIP(1)) }

package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cableEnd is the name of a node's end of its cable, in the node's namespace.
const cableEnd = "eth0"

// makeBridge makes the link that joins the nodes and the machine.
func (c *Cluster) makeBridge() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = c.Bridge()
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes}); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make bridge %s: %w", c.Bridge(), err)
	}
	bridge, err := netlink.LinkByName(c.Bridge())
	if err != nil {
		return err
	}
	if err := setAddress(bridge, c.HostIP()); err != nil {
		return err
	}
	return netlink.LinkSetUp(bridge)
}

// routeToPods lets the machine reach pods and Services, without a rule in its
// firewall: the kube-proxy of node 1 sends its Service traffic back through
// itself, because the machine is outside of the pods' range.
func (c *Cluster) routeToPods() error {
	routes := map[string]net.IP{c.ServiceCIDR(): c.NodeIP(1)}
	for n := 1; n <= c.Nodes; n++ {
		routes[c.PodCIDR(n)] = c.NodeIP(n)
	}
	return setRoutes(routes)
}

// connect plugs node n into the bridge, unless it is plugged in.
func (b *builder) connect(n int, s sandbox) error {
	c := b.cluster
	connected := false
	err := s.enter(func() error {
		_, err := netlink.LinkByName(cableEnd)
		connected = err == nil
		var missing netlink.LinkNotFoundError
		if errors.As(err, &missing) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if !connected {
		if err := removeLink(c.Port(n)); err != nil {
			return err
		}
		attributes := netlink.NewLinkAttrs()
		attributes.Name = c.Port(n)
		cable := &netlink.Veth{LinkAttrs: attributes, PeerName: cableEnd, PeerNamespace: netlink.NsPid(s.holder)}
		if err := netlink.LinkAdd(cable); err != nil {
			return fmt.Errorf("plug %s in: %w", c.NodeName(n), err)
		}
	}
	port, err := netlink.LinkByName(c.Port(n))
	if err != nil {
		return err
	}
	bridge, err := netlink.LinkByName(c.Bridge())
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(port, bridge); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(port); err != nil {
		return err
	}
	return s.enter(func() error { return c.configureNode(n) })
}

// configureNode sets up node n's links and routes, from inside its namespace.
// There is no default route on purpose: nothing in a cluster reaches beyond
// this machine, and an attempt fails at once.
func (c *Cluster) configureNode(n int) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	link, err := netlink.LinkByName(cableEnd)
	if err != nil {
		return err
	}
	if err := setAddress(link, c.NodeIP(n)); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	// Without a route a connection to a Service fails before kube-proxy's
	// rules see it.
	_, services, err := net.ParseCIDR(c.ServiceCIDR())
	if err != nil {
		return err
	}
	err = netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: services, Scope: netlink.SCOPE_LINK})
	if err != nil {
		return fmt.Errorf("route to Services: %w", err)
	}
	routes := map[string]net.IP{}
	for other := 1; other <= MaxNodes; other++ {
		if other != n {
			routes[c.PodCIDR(other)] = c.NodeIP(other)
		}
	}
	return setRoutes(routes)
}

func setAddress(link netlink.Link, ip net.IP) error {
	address := &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(24, 32)}}
	if err := netlink.AddrReplace(link, address); err != nil {
		return fmt.Errorf("address %s: %w", ip, err)
	}
	return nil
}

func setRoutes(routes map[string]net.IP) error {
	for destination, gateway := range routes {
		_, network, err := net.ParseCIDR(destination)
		if err != nil {
			return err
		}
		if err := netlink.RouteReplace(&netlink.Route{Dst: network, Gw: gateway}); err != nil {
			return fmt.Errorf("route %s by %s: %w", destination, gateway, err)
		}
	}
	return nil
}

func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}

// removeLinks removes the cluster's links in the machine's namespace; routes
// and addresses go with them.
func (c *Cluster) removeLinks() error {
	for n := 1; n <= MaxNodes; n++ {
		if err := removeLink(c.Port(n)); err != nil {
			return err
		}
	}
	return removeLink(c.Bridge())
}

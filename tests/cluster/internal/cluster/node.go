package cluster

import (
	"fmt"
)

// node are the components that run on node n.
func (b *builder) node(n int, tokens identities) ([]component, error) {
	c := b.cluster
	files := map[string]string{
		c.NodePath(n, "containerd.toml"):         c.containerdConfig(n),
		c.NodePath(n, "cni", "10-pods.conflist"): c.cniConfig(n),
		c.NodePath(n, "kubelet.yaml"):            c.kubeletConfig(n),
		c.NodePath(n, "proxy.yaml"):              c.proxyConfig(n),
	}
	for path, content := range files {
		if err := writeFile(path, []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	accounts := map[string]string{"kubelet": nodeUser(c.NodeName(n)), "proxy": userProxy}
	for name, user := range accounts {
		if err := c.writeKubeconfig(c.NodePath(n, name+".kubeconfig"), user, tokens[user]); err != nil {
			return nil, err
		}
	}
	return []component{
		{"containerd", []string{"containerd", "--config", c.NodePath(n, "containerd.toml")}},
		{"kubelet", []string{b.self, "kubelet",
			"--config", c.NodePath(n, "kubelet.yaml"), "--kubeconfig", c.NodePath(n, "kubelet.kubeconfig"),
			"--hostname-override", c.NodeName(n), "--node-ip", c.NodeIP(n).String()}},
		{"kube-proxy", []string{b.self, "kube-proxy", "--config", c.NodePath(n, "proxy.yaml")}},
	}, nil
}

// containerdConfig uses the standard directories, which each node covers with
// its own. restrict_oom_score_adj: where a negative score may not be set, runc
// would fail with "can't get final child's PID from pipe".
func (c *Cluster) containerdConfig(n int) string {
	return fmt.Sprintf(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`, c.ContainerdSocket(n), c.NodePath(n, "cni"))
}

// cniConfig gives every pod a cable and a route of its own. A bridge would
// need br_netfilter for Services between pods of one node, and masquerading
// would hide the pods' addresses; here everything is routed.
func (c *Cluster) cniConfig(n int) string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {
    "type": "host-local", "dataDir": "/var/lib/cni/networks",
    "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}}
]}
`, c.PodCIDR(n))
}

func (c *Cluster) kubeletConfig(n int) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[2]q}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /%[3]s
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
containerRuntimeEndpoint: "unix://%[4]s"
clusterDomain: cluster.local
clusterDNS: [%[5]s]
resolvConf: ""
enforceNodeAllocatable: []
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
kubeAPIQPS: 200
kubeAPIBurst: 400
`, c.NodeIP(n), c.Path("pki", "ca.crt"), c.podGroup(n), c.ContainerdSocket(n), c.DNSIP())
}

// proxyConfig leaves the machine's connection tracking limits alone: they are
// not the cluster's to change.
func (c *Cluster) proxyConfig(n int) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %q}
mode: nftables
clusterCIDR: %s
hostnameOverride: %s
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`, c.NodePath(n, "proxy.kubeconfig"), c.ClusterCIDR(), c.NodeName(n))
}

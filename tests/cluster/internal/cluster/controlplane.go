package cluster

import "fmt"

// auditPolicy records who called what, without contents, for every account
// that is not a part of the cluster itself. Tests compare it with a chart's
// roles.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: ["system:nodes", "system:unauthenticated"]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy", "testcluster:coredns", "testcluster:provisioner"]
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Metadata
`

// AuditLog is where the API server records calls, one JSON object a line.
func (c *Cluster) AuditLog() string { return c.Path("audit.log") }

// controlPlane are the components that run once per cluster, on node 1.
func (b *builder) controlPlane(tokens identities) ([]component, error) {
	c := b.cluster
	files := map[string]string{
		c.Path("audit-policy.yaml"): auditPolicy,
		c.Path("Corefile"):          c.corefile(),
	}
	for path, content := range files {
		if err := writeFile(path, []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	accounts := map[string]string{
		"manager":     userManager,
		"scheduler":   userScheduler,
		"coredns":     userCoreDNS,
		"provisioner": userProvisioner,
	}
	for name, user := range accounts {
		if err := c.writeKubeconfig(c.Path(name+".kubeconfig"), user, tokens[user]); err != nil {
			return nil, err
		}
	}
	self := b.self
	return []component{
		{"etcd", []string{self, "etcd",
			"--data-dir", c.Path("etcd"),
			// The state does not outlive the machine, so nothing is
			// gained by waiting for the disk.
			"--unsafe-no-fsync",
			"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
			"--listen-peer-urls", "http://127.0.0.1:2380", "--log-level", "warn"}},
		{"kube-apiserver", []string{self, "kube-apiserver",
			"--etcd-servers", "http://127.0.0.1:2379",
			"--bind-address", "0.0.0.0", "--advertise-address", c.NodeIP(1).String(), "--secure-port", "6443",
			"--tls-cert-file", c.Path("pki", "apiserver.crt"), "--tls-private-key-file", c.Path("pki", "apiserver.key"),
			"--client-ca-file", c.Path("pki", "ca.crt"),
			"--token-auth-file", c.Path("pki", "tokens.csv"),
			"--authorization-mode", "Node,RBAC",
			"--enable-admission-plugins", "NodeRestriction",
			"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file", c.Path("pki", "service-accounts.key"),
			"--service-account-signing-key-file", c.Path("pki", "service-accounts.key"),
			"--service-cluster-ip-range", c.ServiceCIDR(),
			"--allow-privileged",
			"--kubelet-preferred-address-types", "InternalIP",
			"--kubelet-client-certificate", c.Path("pki", "kubelet-client.crt"),
			"--kubelet-client-key", c.Path("pki", "kubelet-client.key"),
			"--audit-policy-file", c.Path("audit-policy.yaml"), "--audit-log-path", c.AuditLog(),
			"--audit-log-maxsize", "200", "--audit-log-maxbackup", "2",
			"--profiling=false"}},
		{"kube-controller-manager", []string{self, "kube-controller-manager",
			"--kubeconfig", c.Path("manager.kubeconfig"),
			"--use-service-account-credentials",
			"--service-account-private-key-file", c.Path("pki", "service-accounts.key"),
			"--root-ca-file", c.Path("pki", "ca.crt"),
			"--cluster-cidr", c.ClusterCIDR(),
			"--leader-elect=false", "--bind-address", "127.0.0.1", "--profiling=false"}},
		{"kube-scheduler", []string{self, "kube-scheduler",
			"--kubeconfig", c.Path("scheduler.kubeconfig"),
			"--leader-elect=false", "--bind-address", "127.0.0.1", "--profiling=false"}},
		{"coredns", []string{self, "coredns", "-conf", c.Path("Corefile")}},
		{"provisioner", []string{self, "provisioner",
			"--kubeconfig", c.Path("provisioner.kubeconfig"), "--state", c.Dir()}},
	}, nil
}

// corefile answers for the cluster's names and denies all others: there is no
// other name server to ask.
func (c *Cluster) corefile() string {
	return fmt.Sprintf(`.:53 {
    bind %s
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa {
        kubeconfig %s
        pods insecure
        ttl 5
    }
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
`, c.NodeIP(1), c.Path("coredns.kubeconfig"))
}

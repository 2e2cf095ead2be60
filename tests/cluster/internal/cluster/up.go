package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// startDeadline bounds every wait of Up. A warm start needs a few seconds; a
// machine that is busy compiling needs many times more.
const startDeadline = 8 * time.Minute

// builder holds what Up needs to know while it works.
type builder struct {
	cluster *Cluster
	groups  hierarchies
	// self is this program, which is every Kubernetes component as well.
	self string
	// pause is the program that holds a node's namespaces.
	pause string
	// store is what new nodes get their images from.
	store imageStore
	// say reports progress.
	say func(format string, args ...any)
}

// Up starts the named cluster with at least the given number of nodes, waits
// until all of them are Ready, and imports image archives. What runs already is
// left alone, what died is started again.
func Up(ctx context.Context, name string, nodes int, archives []string, say func(string, ...any)) (*Cluster, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if nodes < 0 || nodes > MaxNodes {
		return nil, fmt.Errorf("a cluster has 1 to %d nodes, not %d", MaxNodes, nodes)
	}
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	guard, err := lock(lockPath(name))
	if err != nil {
		return nil, err
	}
	defer guard.Close()
	b := &builder{say: say}
	if b.groups, err = findHierarchies(); err != nil {
		return nil, err
	}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.self, err = filepath.EvalSymlinks(b.self); err != nil {
		return nil, err
	}
	b.store = storeOf(b.self)
	b.pause = filepath.Join(filepath.Dir(b.self), "pause")
	if b.cluster, err = claim(name, nodes); err != nil {
		return nil, err
	}
	if err := b.start(ctx, archives); err != nil {
		return nil, fmt.Errorf("cluster %s: %w; logs are in %s, `testcluster down --name %s` removes it", name, err, b.cluster.NodePath(1, "log"), name)
	}
	return b.cluster, nil
}

func (b *builder) start(ctx context.Context, archives []string) error {
	c := b.cluster
	archives = append([]string{filepath.Join(filepath.Dir(b.self), "..", "images", "pause_1.tar")}, archives...)
	for _, archive := range archives {
		if _, err := os.Stat(archive); err != nil {
			return fmt.Errorf("%w; the cluster's own images are made by tests/cluster/setup.sh", err)
		}
	}
	if err := b.fill(ctx, archives); err != nil {
		return err
	}
	tokens, err := c.makeIdentities()
	if err != nil {
		return err
	}
	if err := c.writeKubeconfig(c.Kubeconfig(), userAdmin, tokens[userAdmin]); err != nil {
		return err
	}
	if err := c.makeBridge(); err != nil {
		return err
	}
	sandboxes := map[int]sandbox{}
	for n := 1; n <= c.Nodes; n++ {
		if sandboxes[n], err = b.sandboxOf(n); err != nil {
			return fmt.Errorf("%s: %w", c.NodeName(n), err)
		}
		if err := b.groups.makePodGroup(c.podGroup(n)); err != nil {
			return err
		}
		if err := b.connect(n, sandboxes[n]); err != nil {
			return fmt.Errorf("%s: %w", c.NodeName(n), err)
		}
	}
	if err := c.routeToPods(); err != nil {
		return err
	}
	components, err := b.controlPlane(tokens)
	if err != nil {
		return err
	}
	// etcd, the API server and containerd wait for nobody; the others would
	// only retry, and compete for the processors, until the API server is up.
	first, rest := components[:2], components[2:]
	if err := b.ensureAll(1, sandboxes[1], first); err != nil {
		return err
	}
	perNode := map[int][]component{}
	for n := 1; n <= c.Nodes; n++ {
		if perNode[n], err = b.node(n, tokens); err != nil {
			return err
		}
		if err := b.ensureAll(n, sandboxes[n], perNode[n][:1]); err != nil {
			return err
		}
	}
	client, err := Client(c.Kubeconfig())
	if err != nil {
		return err
	}
	if err := b.waitForServer(ctx, client); err != nil {
		return err
	}
	b.say("API server is ready")
	for n := 1; n <= c.Nodes; n++ {
		if err := c.waitForContainerd(ctx, n); err != nil {
			return err
		}
		// A new node has it from the store; then this only looks.
		if err := c.loadOn(ctx, n, archives[0]); err != nil {
			return err
		}
		if err := b.ensureAll(n, sandboxes[n], perNode[n][1:]); err != nil {
			return err
		}
	}
	if err := b.ensureAll(1, sandboxes[1], rest); err != nil {
		return err
	}
	if err := c.applyDefaults(ctx, client); err != nil {
		return err
	}
	if err := b.waitForNodes(ctx, client); err != nil {
		return err
	}
	return c.LoadImages(ctx, archives)
}

func (b *builder) ensureAll(n int, s sandbox, components []component) error {
	for _, component := range components {
		if err := b.ensure(n, s, component); err != nil {
			return err
		}
	}
	return nil
}

// Client makes a client that is not held back by a rate limit.
func Client(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return kubernetes.NewForConfig(rest.AddUserAgent(config, "testcluster"))
}

// until polls a condition at a short interval until it holds or the context
// ends; last tells why it does not hold yet.
func until(ctx context.Context, what string, condition func() (done bool, last error)) error {
	for {
		done, last := condition()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s in vain: %w (last: %v)", what, ctx.Err(), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b *builder) waitForServer(ctx context.Context, client kubernetes.Interface) error {
	return until(ctx, "the API server", func() (bool, error) {
		if _, alive := b.cluster.running(1, "kube-apiserver"); !alive {
			return false, fmt.Errorf("it ended, read %s", b.cluster.logPath(1, "kube-apiserver"))
		}
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Raw()
		return err == nil, err
	})
}

func (b *builder) waitForNodes(ctx context.Context, client kubernetes.Interface) error {
	for n := 1; n <= b.cluster.Nodes; n++ {
		name := b.cluster.NodeName(n)
		err := until(ctx, name, func() (bool, error) {
			node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			for _, condition := range node.Status.Conditions {
				if condition.Type == "Ready" {
					return condition.Status == "True", errors.New(condition.Message)
				}
			}
			return false, errors.New("no Ready condition yet")
		})
		if err != nil {
			return err
		}
		b.say("%s is Ready", name)
	}
	return nil
}

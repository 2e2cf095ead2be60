// Command testcluster starts real Kubernetes clusters on this machine, each
// with one to three nodes, and removes them without a trace. It also is every
// Kubernetes component and kubectl, chosen by the first argument or by the
// name under which it is called.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"example.invalid/oms-operator/tests/cluster/internal/cluster"
	"example.invalid/oms-operator/tests/cluster/internal/components"
	"example.invalid/oms-operator/tests/cluster/internal/provisioner"
)

const usage = `testcluster starts and removes real Kubernetes clusters on this machine.

  testcluster up [--name NAME] [--nodes 1..3] [ARCHIVE...]   start, wait until Ready, import images; prints the kubeconfig's path
  testcluster down [--name NAME | --all]                     remove everything of it
  testcluster load [--name NAME] ARCHIVE...                  import images on every node
  testcluster status [--name NAME]                           what runs
  testcluster kubeconfig [--name NAME]                       print the path of the client configuration
  testcluster exec [--name NAME] [--node N] -- COMMAND...    run a command on a node, with KUBECONFIG set
  testcluster kill [--name NAME] [--node N] COMPONENT...     crash components (SIGKILL); up starts them again
  testcluster list                                           names of the clusters

NAME is "main" unless said otherwise. Components: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, coredns,
provisioner (node 1), containerd, kubelet, kube-proxy (every node).
`

func main() {
	args := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	if run, ok := components.Lookup(args[0]); ok {
		os.Exit(run(args))
	}
	if len(args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	args = args[1:]
	if run, ok := components.Lookup(args[0]); ok {
		os.Exit(run(args))
	}
	if args[0] == "provisioner" {
		os.Exit(provisioner.Main(args))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	code, err := run(ctx, args[0], args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testcluster:", err)
	}
	os.Exit(code)
}

// run carries out one of the tool's own commands and returns the exit code.
func run(ctx context.Context, command string, args []string) (int, error) {
	flags := flag.NewFlagSet(command, flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("name", "main", "")
	nodes := flags.Int("nodes", 0, "")
	node := flags.Int("node", 1, "")
	all := flags.Bool("all", false, "")
	flags.Parse(args)
	switch command {
	case "up":
		return report(up(ctx, *name, *nodes, flags.Args()))
	case "down":
		return report(down(*name, *all))
	case "list":
		names, err := cluster.Names()
		for _, known := range names {
			fmt.Println(known)
		}
		return report(err)
	case "kubeconfig":
		fmt.Println(cluster.KubeconfigPath(*name))
		return 0, nil
	}
	c, err := cluster.Load(*name)
	if errors.Is(err, fs.ErrNotExist) {
		return 1, fmt.Errorf("there is no cluster %s; start it with `testcluster up --name %s`", *name, *name)
	}
	if err != nil {
		return 1, err
	}
	switch command {
	case "load":
		return report(c.LoadImages(ctx, flags.Args()))
	case "status":
		return report(c.Status(os.Stdout))
	case "exec":
		if flags.NArg() == 0 {
			return 2, errors.New("exec needs a command")
		}
		return c.Exec(*node, flags.Args())
	case "kill":
		for _, component := range flags.Args() {
			if err := c.Kill(*node, component); err != nil {
				return 1, err
			}
		}
		return 0, nil
	}
	fmt.Fprint(os.Stderr, usage)
	return 2, fmt.Errorf("unknown command %q", command)
}

func report(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// up starts the cluster and imports images. Progress goes to standard error,
// because standard output is the kubeconfig's path and nothing else.
func up(ctx context.Context, name string, nodes int, archives []string) error {
	begin := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%5.1f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	c, err := cluster.Up(ctx, name, nodes, archives, say)
	if err != nil {
		return err
	}
	say("%d images are there", len(archives))
	fmt.Println(c.Kubeconfig())
	return nil
}

// down removes one cluster or all of them; one that fails does not keep the
// others.
func down(name string, all bool) error {
	if !all {
		return cluster.Down(name)
	}
	names, err := cluster.Names()
	failures := []error{err}
	for _, known := range names {
		failures = append(failures, cluster.Down(known))
	}
	return errors.Join(failures...)
}

// Package components holds the entry points of the Kubernetes programs that
// are linked into the one test-cluster binary: etcd, the control plane, the
// node agents, kubectl, Helm and CoreDNS.
//
// One binary instead of nine, because they share almost all their code: it is
// a third of the size, and a fresh machine compiles everything once. Each
// program is chosen by the first argument and runs in a process of its own.
//
// This package may only start those programs. It knows nothing of clusters.
package components

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// The log format and the metrics that the components expect to be
	// registered by their main packages.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// entries maps a component's name to the function that runs it. args[0] is the
// component's name. The function returns the exit code.
var entries = map[string]func(args []string) int{
	"coredns":                 runCoreDNS,
	"etcd":                    runEtcd,
	"helm":                    runHelm,
	"kube-apiserver":          runCobra(apiserver.NewAPIServerCommand),
	"kube-controller-manager": runCobra(controllermanager.NewControllerManagerCommand),
	"kube-proxy":              runCobra(proxy.NewProxyCommand),
	"kube-scheduler":          runCobra(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubectl":                 runCobra(cmd.NewDefaultKubectlCommand),
	"kubelet":                 runKubelet,
}

// Lookup returns the function that runs the named component, or false when
// there is no such component.
func Lookup(name string) (func(args []string) int, bool) {
	run, ok := entries[name]
	return run, ok
}

// runCobra adapts a component's command constructor. The components read
// os.Args themselves, so it is replaced rather than passed on.
func runCobra(build func() *cobra.Command) func([]string) int {
	return func(args []string) int {
		os.Args = args
		return cli.Run(build())
	}
}

// runKubelet runs the kubelet, the only component that wants its context at
// construction.
func runKubelet(args []string) int {
	os.Args = args
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return cli.Run(kubelet.NewKubeletCommand(ctx))
}

// runEtcd runs the database. etcdmain ends the process itself on errors.
func runEtcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

package components

import (
	"os"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	// Only the plug-ins that the cluster's Corefile names. Importing the
	// whole set would pull in the clouds' client libraries.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

// init sets the order in which the plug-ins see a query. coremain normally
// gets it from a generated file that names every plug-in there is.
func init() {
	dnsserver.Directives = []string{"bind", "ready", "errors", "kubernetes", "template"}
}

// runCoreDNS runs the cluster's name server. coremain ends the process itself
// on errors.
func runCoreDNS(args []string) int {
	os.Args = args
	coremain.Run()
	return 0
}

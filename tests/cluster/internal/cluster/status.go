package cluster

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Status writes which components of the cluster run.
func (c *Cluster) Status(out io.Writer) error {
	fmt.Fprintf(out, "%s: index %d, API server %s, kubeconfig %s\n", c.Name, c.Index, c.Server(), c.Kubeconfig())
	for n := 1; n <= c.Nodes; n++ {
		names, err := c.Components(n)
		if err != nil {
			return err
		}
		for _, name := range names {
			state := "dead"
			if pid, alive := c.running(n, name); alive {
				state = fmt.Sprintf("running, pid %d", pid)
			}
			fmt.Fprintf(out, "  %s/%s: %s\n", c.NodeName(n), name, state)
		}
	}
	return nil
}

// Exec runs a command in node n's network and mount namespace with KUBECONFIG
// set, and returns its exit code.
func (c *Cluster) Exec(n int, args []string) (int, error) {
	groups, err := findHierarchies()
	if err != nil {
		return 1, err
	}
	holders, err := groups.members(c.group(c.NodeName(n), "holder"))
	if err != nil {
		return 1, err
	}
	if len(holders) == 0 {
		return 1, fmt.Errorf("%s of cluster %s does not run; start it with `testcluster up --name %s`", c.NodeName(n), c.Name, c.Name)
	}
	command := exec.Command(args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "KUBECONFIG=") {
			command.Env = append(command.Env, entry)
		}
	}
	command.Env = append(command.Env, "KUBECONFIG="+c.Kubeconfig())
	err = sandbox{holder: holders[0]}.enter(command.Run)
	if code := command.ProcessState.ExitCode(); command.ProcessState != nil && code >= 0 {
		return code, nil
	}
	return 1, err
}

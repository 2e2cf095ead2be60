package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// component is one program of the cluster.
type component struct {
	// name is unique on its node: it names the log, the pid file and the
	// control group.
	name string
	// args is the command line; args[0] is looked up in PATH.
	args []string
}

// spawn starts a program that is a member of the control group from its first
// instruction and outlives this process. The log is appended to.
func (b *builder) spawn(group, logPath string, args ...string) (int, error) {
	dir := filepath.Join(b.groups.unified, group)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return 0, err
	}
	groupDir, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer groupDir.Close()
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	command := exec.Command(args[0], args[1:]...)
	command.Dir = b.cluster.Dir()
	command.Stdout, command.Stderr = log, log
	// No proxy of the caller may get between the components, and no
	// KUBECONFIG may reach them.
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(groupDir.Fd())}
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", args[0], err)
	}
	// Reap it in case it dies while this process is still there.
	go command.Wait()
	return command.Process.Pid, nil
}

// ensure starts a component in the sandbox of node n unless it runs.
func (b *builder) ensure(n int, s sandbox, c component) error {
	if _, alive := b.cluster.running(n, c.name); alive {
		return nil
	}
	group := b.cluster.group(b.cluster.NodeName(n), c.name)
	return s.enter(func() error {
		pid, err := b.spawn(group, b.cluster.logPath(n, c.name), c.args...)
		if err != nil {
			return err
		}
		started, err := startTime(pid)
		if err != nil {
			return fmt.Errorf("%s ended at once; read %s", c.name, b.cluster.logPath(n, c.name))
		}
		return writeFile(b.cluster.pidPath(n, c.name), []byte(fmt.Sprintf("%d %s\n", pid, started)), 0o644)
	})
}

func (c *Cluster) logPath(n int, name string) string { return c.NodePath(n, "log", name+".log") }
func (c *Cluster) pidPath(n int, name string) string { return c.NodePath(n, "pid", name) }

// running returns the process id of a component, if the very process that was
// started as this component is alive.
func (c *Cluster) running(n int, name string) (int, bool) {
	data, err := os.ReadFile(c.pidPath(n, name))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(data))
	if len(fields) != 2 {
		return 0, false
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil {
		return 0, false
	}
	started, err := startTime(pid)
	return pid, err == nil && started == fields[1]
}

// Kill sends SIGKILL to one component, as a crash would end it: its children
// live on. The process is pinned before its identity is checked, so another
// one with the same id is never hit.
func (c *Cluster) Kill(n int, name string) error {
	pid, alive := c.running(n, name)
	if !alive {
		return fmt.Errorf("%s/%s does not run", c.NodeName(n), name)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if again, alive := c.running(n, name); !alive || again != pid {
		return fmt.Errorf("%s/%s does not run", c.NodeName(n), name)
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}

// Components lists the components that were ever started on node n.
func (c *Cluster) Components(n int) ([]string, error) {
	entries, err := os.ReadDir(c.NodePath(n, "pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".partial" {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// startTime is the time at which a process started, in clock ticks since boot:
// together with the id it identifies a process. It is an error when the
// process is dead, a zombie included.
func startTime(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The name in parentheses may hold spaces and parentheses itself.
	text := string(data)
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", fs.ErrNotExist
	}
	return fields[19], nil
}

// mountPoints lists what is mounted in this process's mount namespace, in the
// order of mounting.
func mountPoints() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var points []string
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Fields(line); len(fields) > 4 {
			// The kernel writes blanks in octal.
			points = append(points, strings.NewReplacer(`\040`, " ", `\134`, `\`).Replace(fields[4]))
		}
	}
	return points, nil
}

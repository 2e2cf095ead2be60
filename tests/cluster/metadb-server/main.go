// Command metadb-server is the first process of the MetaDB images: it starts
// the SQL server, gives root and the OMS account the passwords that lie in
// files, and says whether SQL is answered.
//
//	metadb-server run ENGINE    ENGINE is seekdb or mariadb
//	metadb-server check ENGINE  exit 0 when the OMS account can run a statement
//
// The passwords never appear in an argument, an environment variable or the
// log. It may touch /data and read /etc/metadb.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	dataDir        = "/data"
	credentialsDir = "/etc/metadb"
	// initDeadline is how long the server may take to answer SQL.
	initDeadline = 5 * time.Minute
)

// engine is what differs between the SQL servers.
type engine struct {
	// prepare makes the data directory usable; it must be repeatable.
	prepare func() error
	command []string
	// network and address are where root without a password is accepted on
	// a fresh server, and where every account is accepted later.
	network, address string
	// remoteRoot says that root for other machines has to be created.
	remoteRoot bool
}

var engines = map[string]engine{
	"seekdb": {
		prepare: func() error { return os.MkdirAll(filepath.Join(dataDir, "seekdb"), 0o755) },
		command: []string{"/opt/seekdb/seekdb", "--nodaemon", "--port", "2881",
			"--base-dir", filepath.Join(dataDir, "seekdb"), "--log-level", "ERROR",
			"--parameter", "memory_budget=2G", "--parameter", "log_disk_size=4G",
			"--parameter", "datafile_maxsize=20G", "--variable", "time_zone=+00:00"},
		network: "tcp", address: "127.0.0.1:2881",
	},
	"mariadb": {
		prepare: copyTemplate,
		command: []string{"/usr/sbin/mariadbd", "--no-defaults",
			"--datadir=" + filepath.Join(dataDir, "mariadb"), "--port=3306", "--socket=/tmp/mariadb.sock",
			"--pid-file=/tmp/mariadb.pid", "--skip-name-resolve", "--character-set-server=utf8mb4",
			"--innodb-log-file-size=32M", "--default-time-zone=+00:00", "--max-allowed-packet=64M"},
		network: "unix", address: "/tmp/mariadb.sock", remoteRoot: true,
	},
}

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("usage: metadb-server run|check seekdb|mariadb"))
	}
	chosen, known := engines[os.Args[2]]
	if !known {
		fail(fmt.Errorf("unknown engine %q", os.Args[2]))
	}
	switch os.Args[1] {
	case "run":
		os.Exit(chosen.run())
	case "check":
		if err := chosen.check(); err != nil {
			fail(err)
		}
	default:
		fail(fmt.Errorf("unknown command %q", os.Args[1]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "metadb-server:", err)
	os.Exit(1)
}

// run starts the server, sets the accounts up, and waits for the server's end.
// An end that was asked for is a success, whatever the server's exit code:
// seekdb ends itself by SIGKILL.
func (e engine) run() int {
	if err := e.prepare(); err != nil {
		fail(err)
	}
	server := exec.Command(e.command[0], e.command[1:]...)
	server.Stdout, server.Stderr = os.Stdout, os.Stderr
	// seekdb reports facts of the machine to its vendor unless told not to.
	server.Env = append(os.Environ(), "TELEMETRY_ENABLED=false")
	if err := server.Start(); err != nil {
		fail(err)
	}
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	ready := make(chan error, 1)
	go func() { ready <- e.setUp(asked) }()
	for {
		select {
		case err := <-ready:
			if err != nil && asked.Err() == nil {
				fmt.Fprintln(os.Stderr, "metadb-server:", err)
				server.Process.Signal(syscall.SIGTERM)
				<-ended
				return 1
			}
			if err == nil {
				fmt.Println("metadb-server: ready")
			}
			ready = nil
		case err := <-ended:
			if asked.Err() != nil {
				return 0
			}
			fmt.Fprintln(os.Stderr, "metadb-server: the server ended by itself:", err)
			return 1
		case <-asked.Done():
			server.Process.Signal(syscall.SIGTERM)
			<-ended
			return 0
		}
	}
}

// setUp waits for the server and gives the accounts their passwords. It is
// repeatable, also after a kill between two statements.
func (e engine) setUp(ctx context.Context) error {
	user, password, err := account()
	if err != nil {
		return err
	}
	rootPassword, err := credential("root-password")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, initDeadline)
	defer cancel()
	db, err := e.connectAsRoot(ctx, rootPassword)
	if err != nil {
		return err
	}
	defer db.Close()
	type statement struct {
		text string
		args []any
	}
	// root comes last: until then a repetition logs in as this one did.
	statements := []statement{
		{"create user if not exists ?@'%' identified by ?", []any{user, password}},
		{"set password for ?@'%' = password(?)", []any{user, password}},
		{"grant all privileges on *.* to ?@'%' with grant option", []any{user}},
	}
	if e.remoteRoot {
		statements = append(statements,
			statement{"create user if not exists root@'%' identified by ?", []any{rootPassword}},
			statement{"set password for root@'%' = password(?)", []any{rootPassword}},
			statement{"grant all privileges on *.* to root@'%' with grant option", nil},
			statement{"set password for root@localhost = password(?)", []any{rootPassword}})
	} else {
		statements = append(statements, statement{"set password for root = password(?)", []any{rootPassword}})
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s.text, s.args...); err != nil {
			return fmt.Errorf("%s: %w", s.text, err)
		}
	}
	return nil
}

// connectAsRoot tries with the password and, for a fresh server, without one,
// until the server answers.
func (e engine) connectAsRoot(ctx context.Context, password string) (*sql.DB, error) {
	for {
		var last error
		for _, attempt := range []string{"", password} {
			db, err := e.open("root", attempt)
			if err != nil {
				return nil, err
			}
			if last = db.PingContext(ctx); last == nil {
				return db, nil
			}
			db.Close()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("root cannot log in: %w", last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e engine) open(user, password string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd = user, password
	config.Net, config.Addr = e.network, e.address
	config.Timeout = 2 * time.Second
	// Account statements cannot be prepared; the driver quotes the values.
	config.InterpolateParams = true
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// check runs one statement as the OMS account.
func (e engine) check() error {
	user, password, err := account()
	if err != nil {
		return err
	}
	db, err := e.open(user, password)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, "select 1")
	return err
}

func account() (user, password string, err error) {
	if user, err = credential("user"); err != nil {
		return "", "", err
	}
	password, err = credential("password")
	return user, password, err
}

// credential reads one key of the mounted Secret, as it is.
func credential(key string) (string, error) {
	data, err := os.ReadFile(filepath.Join(credentialsDir, key))
	return string(data), err
}

// copyTemplate gives MariaDB the data directory that was initialised when the
// image was built. A copy that was interrupted is thrown away.
func copyTemplate() error {
	final := filepath.Join(dataDir, "mariadb")
	if _, err := os.Stat(final); err == nil {
		return nil
	}
	partial := final + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	output, err := exec.Command("cp", "-r", "--sparse=always", "/opt/mariadb/template", partial).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy the initial data: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return os.Rename(partial, final)
}

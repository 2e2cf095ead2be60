package suite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestSeekdbServes(t *testing.T)  { metadbServes(t, "seekdb", "seekdb_1.4.0.tar", "2881") }
func TestMariadbServes(t *testing.T) { metadbServes(t, "mariadb", "mariadb_10.11.tar", "3306") }

// metadbServes applies a MetaDB's manifest, uses it from this machine with its
// nasty passwords, and restarts it.
func metadbServes(t *testing.T, engine, archive, port string) {
	c := start(t, "suite-a", "1")
	if _, err := testcluster("load", "--name", "suite-a", filepath.Join(imageDir, archive)); err != nil {
		t.Fatal(err)
	}
	c.namespace(engine)
	c.kubectl("apply", "--namespace", engine, "--filename", filepath.Join(metadbDir, engine+".yaml"))
	c.kubectl("rollout", "status", "--namespace", engine, "deployment/metadb", "--timeout", limit.String())
	secret := map[string]string{}
	for _, key := range []string{"user", "password", "root-password"} {
		value, err := base64.StdEncoding.DecodeString(c.get(engine, "secret/metadb-credentials", "{.data."+key+"}"))
		if err != nil {
			t.Fatal(err)
		}
		secret[key] = string(value)
	}
	if !strings.ContainsAny(secret["password"], `'`) || !strings.ContainsAny(secret["password"], `"`) ||
		!strings.Contains(secret["password"], " ") || !strings.Contains(secret["password"], "#") ||
		!strings.Contains(secret["password"], "%") || secret["password"] == strings.ToValidUTF8(strings.Map(ascii, secret["password"]), "") {
		t.Errorf("the password is not nasty enough")
	}
	address := net.JoinHostPort(c.get(engine, "service/metadb", "{.spec.clusterIP}"), port)
	execute := func(user, password string, statements ...string) error {
		config := mysql.NewConfig()
		config.User, config.Passwd, config.Net, config.Addr = user, password, "tcp", address
		config.Timeout = 5 * time.Second
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return err
		}
		db := sql.OpenDB(connector)
		defer db.Close()
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		for _, statement := range statements {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
	err := execute(secret["user"], secret["password"], "create database suite", "create table suite.t (id int primary key)",
		"insert into suite.t values (1)", "create user suite@'%' identified by 'x'", "grant select on suite.* to suite@'%'")
	if err != nil {
		t.Errorf("the OMS account: %v", err)
	}
	if err := execute("root", secret["root-password"], "select * from suite.t"); err != nil {
		t.Errorf("root: %v", err)
	}
	for _, user := range []string{"root", secret["user"]} {
		for _, wrong := range []string{"", "wrong"} {
			if err := execute(user, wrong, "select 1"); err == nil || !strings.Contains(err.Error(), "Access denied") {
				t.Errorf("%s with the password %q: %v", user, wrong, err)
			}
		}
	}
	assertSecret(t, secret["password"], secret["root-password"])

	// A new pod has the same data, and accounts that exist already.
	old := c.get(engine, "pods", "{.items[0].metadata.name}")
	c.kubectl("delete", "--namespace", engine, "pod", old)
	c.kubectl("rollout", "status", "--namespace", engine, "deployment/metadb", "--timeout", limit.String())
	c.eventually("the data after a restart", func() error {
		return execute(secret["user"], secret["password"], "insert into suite.t select max(id) + 1 from suite.t")
	})
}

// ascii drops what is not ASCII.
func ascii(r rune) rune {
	if r > 127 {
		return -1
	}
	return r
}

// assertSecret looks for passwords in the arguments and the environment of
// every process.
func assertSecret(t *testing.T, passwords ...string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/[ce][mn][dv]*")
	if err != nil || len(files) < 100 {
		t.Fatalf("found only %d files to look into (%v)", len(files), err)
	}
	for _, file := range files {
		data, _ := os.ReadFile(file)
		for _, password := range passwords {
			if strings.Contains(string(data), password) {
				t.Errorf("%s holds a password", file)
			}
		}
	}
}

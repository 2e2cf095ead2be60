package cluster

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesFitIntoLinkNames(t *testing.T) {
	for _, name := range []string{"ab", "main", "suite-a", "abcdefghij"} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
		c := Cluster{Name: name}
		for n := 1; n <= MaxNodes; n++ {
			if len(c.Port(n)) > 15 {
				t.Errorf("%s is too long for a link", c.Port(n))
			}
		}
	}
	for _, name := range []string{"", "a", "abcdefghijk", "-ab", "ab-", "Ab", "a/b", "..", "a.b", "1ab"} {
		if CheckName(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

// TestAddressesDoNotOverlap compares every range of every cluster with all the
// others.
func TestAddressesDoNotOverlap(t *testing.T) {
	owners := map[string]string{}
	claim := func(owner, address string) {
		if other, taken := owners[address]; taken {
			t.Errorf("%s belongs to %s and %s", address, other, owner)
		}
		owners[address] = owner
	}
	for index := range maxClusters {
		c := Cluster{Name: "x", Index: index}
		claim("the machine", c.HostIP().String())
		claim("services", c.ServiceCIDR())
		for n := 1; n <= MaxNodes; n++ {
			claim(c.NodeName(n), c.NodeIP(n).String())
			claim(c.NodeName(n), c.PodCIDR(n))
		}
	}
	if len(owners) != maxClusters*(2+2*MaxNodes) {
		t.Errorf("%d addresses", len(owners))
	}
}

func TestOnlyTheVeryProcessRuns(t *testing.T) {
	c := &Cluster{Name: "unit-test"}
	if _, alive := c.running(1, "nothing"); alive {
		t.Error("a component that was never started runs")
	}
	started, err := startTime(os.Getpid())
	if err != nil || started == "" || strings.Trim(started, "0123456789") != "" {
		t.Errorf("start time %q, %v", started, err)
	}
	if _, err := startTime(1 << 30); err == nil {
		t.Error("a process that does not exist has a start time")
	}
}

func TestArchiveIsRecognised(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.tar")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	content := `[{"Config":"abc.json","RepoTags":["localhost/x:1"],"Layers":[]}]`
	writer := tar.NewWriter(file)
	for name, text := range map[string]string{"abc.json": "{}", "manifest.json": content} {
		if err := writer.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	image, err := readArchive(path)
	if err != nil || image.ID != "abc" || len(image.Tags) != 1 || image.Tags[0] != "localhost/x:1" {
		t.Fatalf("%+v %v", image, err)
	}
	const header = "REF TYPE DIGEST SIZE\n"
	for listing, want := range map[string]bool{
		header: false,
		header + "localhost/x:1 t sha256:1 2\nsha256:abc t sha256:1 2\n":            true,
		header + "localhost/x:1 t sha256:1 2\n" + keepPrefix + "abc t sha256:1 2\n": true,
		header + "localhost/x:1 t sha256:9 2\nsha256:abc t sha256:1 2\n":            false,
		header + "sha256:abc t sha256:1 2\n":                                        false,
		header + "localhost/x:1 t sha256:1 2\nsha256:def t sha256:1 2\n":            false,
	} {
		if image.listed(listing) != want {
			t.Errorf("listed is %v for\n%s", !want, listing)
		}
	}
	if err := os.WriteFile(path, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readArchive(path); err == nil {
		t.Error("a file that is no archive is accepted")
	}
}

// TestLockOutlivesItsFile takes a lock whose file is removed while somebody
// waits for it.
func TestLockOutlivesItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	first, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		file, err := lock(path)
		if err == nil {
			_, err = os.Stat(path)
			file.Close()
		}
		second <- err
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

//! Certificates for servers and clients of the tests, made by `openssl` for each test anew.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A CA with what it has signed: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
pub struct Certificates(tempfile::TempDir);

impl Certificates {
    /// The server's bears these names, such as `IP:127.0.0.1`; another CA of the same kind trusts none of them.
    pub fn make(names: &str) -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem \
             -addext basicConstraints=critical,CA:TRUE",
        );
        for (name, extension) in [
            ("server", format!("subjectAltName={names}")),
            ("client", "extendedKeyUsage=clientAuth".to_owned()),
        ] {
            made.openssl(&format!(
                "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ));
            std::fs::write(made.path("extensions"), extension).unwrap();
            made.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {name}.pem"
            ));
        }
        made
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }

    /// One of the files.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(self.0.path()).join(name)
    }

    /// What a server is told of them.
    pub fn options(&self) -> [String; 3] {
        let option = |name: &str, file: &str| format!("--ssl-{name}={}", self.path(file).display());
        [
            option("ca", "ca.pem"),
            option("cert", "server.pem"),
            option("key", "server.key"),
        ]
    }
}

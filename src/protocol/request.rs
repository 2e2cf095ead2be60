//! What an agent is asked to do. Built by the operator into the arguments of a Job. No I/O.
//!
//! A request is written in clear into the Job, so it carries *where* the credentials lie and never the
//! credentials themselves.

use super::names::name_variants;
use serde::{Deserialize, Serialize};

/// Everything one agent run needs to know; the same shape for every command.
///
/// Passed as `--request '<JSON>'`. Unknown fields are refused: an operator that is newer than the image of
/// the agent must hear of it before anything is touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// `metadata.uid` of the `OmsUpgrade`; every trace the agent leaves can be led back to it.
    pub upgrade_uid: String,
    /// Number of the attempt, from 1. A killed attempt is followed by a Job with a higher number; the number
    /// is part of every temporary name, on the volume and in the MetaDB.
    pub attempt: i32,
    /// Where the MetaDB listens.
    pub metadb: Address,
    /// Where the account is to be read from.
    pub credentials: Credentials,
    /// Ways to log in that are allowed without TLS although whoever answers gets the password by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins_without_tls: Vec<LoginMethod>,
    /// How the connection is encrypted; not at all where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The databases of the installation: rm, cm and the heartbeat database of every region. The whole set
    /// is dumped and restored, or nothing.
    pub databases: Vec<String>,
    /// Addresses from which OMS may connect. A session of its account from elsewhere, in a database that is another's,
    /// is no session of OMS. Empty: every session of the account is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oms_addresses: Vec<std::net::IpAddr>,
    /// Directory of this upgrade on the mounted claim, for example `/backup/oms-to-4-0-0-1a2b3c4d`. Each dump
    /// attempt writes into `attempt-<n>` below it.
    pub directory: String,
    /// sha256 (hex) of the manifest that the operator keeps in its status. Required by `verify`, `compare`
    /// and `restore`, which trust nothing else about the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_manifest_digest: Option<String>,
    /// The operator's lock row in the MetaDB. Required by `dump`, `verify` with a scratch restore, `restore`
    /// and `drop-safety-copies`; checked by the others when it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// How `restore` replaces the live tables.
    #[serde(default)]
    pub restore_method: RestoreMethod,
    /// Whether `verify` restores the dump into scratch databases.
    #[serde(default)]
    pub scratch_restore: ScratchRestore,
    /// How much of a backup `verify` looks at.
    #[serde(default, skip_serializing_if = "VerifyExtent::is_everything")]
    pub verify_extent: VerifyExtent,
    /// The databases that `drop-safety-copies` drops: these and no others, and only where they are copies of this
    /// upgrade.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safety_copies: Vec<String>,
    /// Whether `dump` deletes all rows but the newest of `heatbeat_sequence` first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trim_heartbeat_sequence: bool,
    /// What `probe` tries.
    #[serde(default)]
    pub probe: ProbeOptions,
    /// The agent gives up after this many seconds, with a report, before Kubernetes would kill it without
    /// one. `None`: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
}

/// Host and port of a service, of the MetaDB above all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Where the account of the MetaDB lies in the file system of the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Credentials {
    /// A mounted Secret with one file per key.
    #[serde(rename_all = "camelCase")]
    Files {
        /// Where the Secret is mounted.
        directory: String,
        /// Key (file name) of the user name.
        user_key: String,
        /// Key (file name) of the password.
        password_key: String,
    },
    /// OMS's own `config.yaml`, mounted from its Secret or ConfigMap. Only `oms_meta_user` and
    /// `oms_meta_password` are taken.
    #[serde(rename_all = "camelCase")]
    ConfigYaml {
        /// Path of the file.
        path: String,
    },
}

/// A way to log in that is safe with TLS only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginMethod {
    /// The one that MySQL gives new accounts.
    CachingSha2Password,
}

/// How the connection to the MetaDB is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// What the server must prove.
    pub mode: TlsMode,
    /// Path of the certificates of those who may have signed the server's, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// The client's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientCertificate>,
}

/// What a TLS connection must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsMode {
    /// Encrypted where the server offers it.
    Prefer,
    /// Encrypted, with whoever answers.
    Require,
    /// The server's certificate is signed by one of the authorities.
    #[serde(rename = "VerifyCA")]
    VerifyCa,
    /// That, and it is made for the address of the MetaDB.
    VerifyIdentity,
}

/// Paths of the client's certificate and of its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// The certificate, with those between.
    pub certificate: String,
    /// The private key that belongs to it, without a passphrase.
    pub private_key: String,
}

/// The row of `oms_operator_lock.upgrade_lock` that proves that this upgrade still owns the MetaDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// Value of the column `holder`.
    pub holder: String,
    /// Value of the column `epoch`.
    pub epoch: i64,
}

/// How the live tables are replaced by the restored ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreMethod {
    /// Load aside, compare, then rename across databases; the replaced tables are kept.
    #[default]
    Swap,
    /// Check the dump, drop the live databases, create and load them. Only where renaming across databases
    /// was tried and failed: from the drop to the end of the load the content exists on the volume alone.
    DropAndLoad,
}

name_variants!(RestoreMethod: Swap, DropAndLoad);

impl RestoreMethod {
    /// Reads a word of a plan; `None` where this version does not know it.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|method| method.as_str() == word)
    }
}

/// How much of a backup `verify` looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifyExtent {
    /// Whatever makes it a backup: every byte, and a restore where that is asked for.
    #[default]
    Everything,
    /// Whether it is still there: the manifest, and each file with its length. Reads the claim alone, in no time.
    Presence,
}

impl VerifyExtent {
    /// The default, which is not written: an agent that does not know the field does the same.
    pub fn is_everything(&self) -> bool {
        *self == Self::Everything
    }
}

/// Whether and for how long `verify` may restore into scratch databases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScratchRestore {
    /// When to do it.
    pub mode: ScratchMode,
    /// `Auto` does it when its estimate is at most this many seconds.
    pub budget_seconds: u64,
}

impl Default for ScratchRestore {
    fn default() -> Self {
        Self {
            mode: ScratchMode::Auto,
            budget_seconds: 300,
        }
    }
}

/// When `verify` restores into scratch databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScratchMode {
    /// Never: the files are read, parsed and compared with the manifest only.
    Never,
    /// When the estimate fits into the budget.
    #[default]
    Auto,
    /// Always, however long it takes.
    Always,
}

/// What `probe` may try beyond reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeOptions {
    /// Create two scratch databases, rename a table from one to the other, drop both. `false` leaves the
    /// answer at "not tried".
    pub try_scratch: bool,
    /// Write, fsync, read back and remove a file on the claim.
    pub try_write: bool,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            try_scratch: true,
            try_write: true,
        }
    }
}

/// Why a request cannot be carried out at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// Not JSON of this shape.
    #[error("the request is not understood: {0}")]
    Malformed(String),
    /// A field has a value that cannot work.
    #[error("field {field} of the request: {problem}")]
    Field {
        /// Name of the field as in the JSON.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Longest database name for which every temporary name still fits into the 64 characters of MySQL.
pub const MAX_DATABASE_NAME: usize = 64 - "__omsrestore_".len() - 5;

impl Request {
    /// Reads a request and checks what can be checked without touching anything.
    ///
    /// # Errors
    /// [`InvalidRequest`] names the field.
    pub fn parse(json: &str) -> Result<Self, InvalidRequest> {
        let request: Self =
            serde_json::from_str(json).map_err(|e| InvalidRequest::Malformed(e.to_string()))?;
        request.check()?;
        Ok(request)
    }

    /// Checks the values of the fields.
    ///
    /// # Errors
    /// [`InvalidRequest::Field`] for the first field that cannot work.
    pub fn check(&self) -> Result<(), InvalidRequest> {
        let bad = |field, problem: &str| {
            Err(InvalidRequest::Field {
                field,
                problem: problem.to_owned(),
            })
        };
        if self.upgrade_uid.is_empty() || self.upgrade_uid.len() > 64 {
            return bad("upgradeUid", "must have 1 to 64 characters");
        }
        if !(1..=99_999).contains(&self.attempt) {
            return bad("attempt", "must be between 1 and 99999");
        }
        if self.metadb.host.is_empty() || self.metadb.port == 0 {
            return bad("metadb", "host and port must be given");
        }
        if self.databases.is_empty() {
            return bad("databases", "at least one database must be named");
        }
        for (index, name) in self.databases.iter().enumerate() {
            if name.is_empty() || name.chars().count() > MAX_DATABASE_NAME {
                return bad(
                    "databases",
                    &format!("each name must have 1 to {MAX_DATABASE_NAME} characters"),
                );
            }
            if self.databases[..index]
                .iter()
                .any(|other| other.eq_ignore_ascii_case(name))
            {
                return bad("databases", &format!("{name} is named twice"));
            }
            if RESERVED.iter().any(|reserved| may_be(name, reserved))
                || name.to_ascii_lowercase().contains("__oms")
            {
                return bad(
                    "databases",
                    &format!("{name} is reserved and can never belong to an installation"),
                );
            }
        }
        if !self.directory.starts_with('/') || self.directory.split('/').any(|part| part == "..") {
            return bad("directory", "must be an absolute path without '..'");
        }
        if let Some(digest) = &self.expected_manifest_digest
            && (digest.len() != 64
                || !digest
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
        {
            return bad(
                "expectedManifestDigest",
                "must be a sha256 in lower-case hex",
            );
        }
        Ok(())
    }
}

/// Databases of the server or of the operator itself.
const RESERVED: [&str; 6] = [
    "mysql",
    "information_schema",
    "performance_schema",
    "sys",
    "oceanbase",
    "oms_operator_lock",
];

/// Whether a server may take a name for this one. OceanBase's engine folds case and accents (on seekdb 1.4.0
/// `öms_operator_lock` opens `oms_operator_lock`), MySQL folds some letters outside of ASCII into it, and blanks at the
/// end may count for nothing. None of them adds or drops a letter, so each that is not ASCII may stand for any one.
fn may_be(name: &str, reserved: &str) -> bool {
    let name = name.trim_end();
    name.chars().count() == reserved.len()
        && name
            .chars()
            .zip(reserved.chars())
            .all(|(one, other)| !one.is_ascii() || one.eq_ignore_ascii_case(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_database_is_refused_however_it_is_spelled() {
        for name in [
            "oms_operator_lock",
            "OMS_Operator_Lock",
            "\u{f6}ms_operator_lock",
            "oms_operator_loc\u{212a}",
            "oms_operator_lock ",
            "a__OMSnew_1",
        ] {
            let mut request = sample();
            request["databases"] = serde_json::json!(["oms_rm", name]);
            let refused = Request::parse(&request.to_string());
            assert!(refused.is_err(), "{name}");
        }
        for name in [
            "oms_operator_locks",
            "\u{540d}",
            "\u{f6}ms_rm",
            "my_operator_lock",
        ] {
            let mut request = sample();
            request["databases"] = serde_json::json!([name]);
            assert!(Request::parse(&request.to_string()).is_ok(), "{name}");
        }
    }

    fn sample() -> serde_json::Value {
        serde_json::json!({
            "upgradeUid": "0f7c2a1e-6a55-4c1e-9a5e-000000000001", "attempt": 2,
            "metadb": {"host": "metadb", "port": 2881},
            "credentials": {"files": {"directory": "/credentials", "userKey": "user", "passwordKey": "password"}},
            "databases": ["oms_rm", "oms_cm", "oms_cm_hb"],
            "directory": "/backup/oms-to-4-0-0-0f7c2a1e",
            "lock": {"holder": "0f7c2a1e", "epoch": 7}
        })
    }

    #[test]
    fn defaults_are_filled_in_and_survive_a_round_trip() {
        let request = Request::parse(&sample().to_string()).unwrap();
        assert_eq!(request.restore_method, RestoreMethod::Swap);
        assert_eq!(
            request.scratch_restore,
            ScratchRestore {
                mode: ScratchMode::Auto,
                budget_seconds: 300
            }
        );
        assert!(request.probe.try_scratch);
        let again = Request::parse(&serde_json::to_string(&request).unwrap()).unwrap();
        assert_eq!(again, request);
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        for (pointer, value, expected) in [
            ("/attempt", serde_json::json!(0), "attempt"),
            ("/databases", serde_json::json!([]), "databases"),
            ("/databases", serde_json::json!(["a", "A"]), "databases"),
            ("/databases", serde_json::json!(["mysql"]), "databases"),
            (
                "/databases",
                serde_json::json!(["a__omsnew_1"]),
                "databases",
            ),
            (
                "/databases",
                serde_json::json!(["x".repeat(60)]),
                "databases",
            ),
            ("/directory", serde_json::json!("backup"), "directory"),
            (
                "/directory",
                serde_json::json!("/backup/../etc"),
                "directory",
            ),
            ("/metadb/port", serde_json::json!(0), "metadb"),
            ("/upgradeUid", serde_json::json!(""), "upgradeUid"),
        ] {
            let mut json = sample();
            *json.pointer_mut(pointer).unwrap() = value;
            match Request::parse(&json.to_string()) {
                Err(InvalidRequest::Field { field, .. }) => assert_eq!(field, expected),
                other => panic!("{pointer}: {other:?}"),
            }
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut json = sample();
        json["surprise"] = serde_json::json!(true);
        assert!(
            matches!(Request::parse(&json.to_string()), Err(InvalidRequest::Malformed(m)) if m.contains("surprise"))
        );
    }

    #[test]
    fn a_digest_must_be_a_sha256() {
        let mut json = sample();
        json["expectedManifestDigest"] = serde_json::json!("abc");
        assert!(matches!(
            Request::parse(&json.to_string()),
            Err(InvalidRequest::Field {
                field: "expectedManifestDigest",
                ..
            })
        ));
    }
}

//! Damaged, cut and forged backups: every one is refused, and whole ones never are. The verification that reads
//! files needs no server, so there can be many.

use crate::engines::Kind;
use crate::engines::world::{Ended, World};
use oms_operator::protocol::report::Reason;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A backup on a claim, to be damaged and mended again.
struct Backup {
    world: World,
    digest: String,
    directory: PathBuf,
}

impl Backup {
    fn make(kind: Kind) -> Self {
        let world = World::nasty(kind);
        world.server.sql(
            "CREATE TABLE oms_rm.filler (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(64)); \
             INSERT INTO oms_rm.filler (t) SELECT LEFT(HEX(COLUMN_NAME), 64) FROM information_schema.COLUMNS LIMIT 900; COMMIT;",
        );
        let digest = world.dump(1);
        let directory = world.directory().join("attempt-1");
        Self {
            world,
            digest,
            directory,
        }
    }

    fn verify(&self, digest: &str) -> Ended {
        let mut request = self.world.trusting(1, digest);
        request["scratchRestore"] = json!({"mode": "Never", "budgetSeconds": 0});
        self.world.run("verify", &request)
    }

    fn refused(&self, digest: &str, what: &str, allowed: &[Reason]) {
        let ended = self.verify(digest);
        assert!(!ended.status.success(), "not refused: {what}");
        assert!(
            allowed.contains(&ended.report().reason),
            "{what}: {:?}",
            ended.report()
        );
    }

    fn file(&self) -> PathBuf {
        self.directory.join("oms_rm.sql.zst")
    }

    /// Puts other bytes in the place of a file, lets it be judged, and puts the old ones back.
    fn with_bytes(&self, path: &Path, bytes: &[u8], judge: impl FnOnce()) {
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, bytes).unwrap();
        judge();
        std::fs::write(path, whole).unwrap();
    }

    /// A forged backup: the dump's text is changed, and the manifest is made to agree with the new file. The
    /// operator would trust its digest, as if the dump had been wrong from the beginning.
    fn with_forged_text(
        &self,
        change: impl Fn(&str) -> String,
        level: i32,
        judge: impl FnOnce(&str),
    ) {
        let whole = std::fs::read(self.file()).unwrap();
        let text = String::from_utf8(zstd::decode_all(whole.as_slice()).unwrap()).unwrap();
        let forged = change(&text);
        let stored = zstd::encode_all(forged.as_bytes(), level).unwrap();
        let manifest_path = self.directory.join("manifest.json");
        let manifest = std::fs::read(&manifest_path).unwrap();
        let mut json: Value = serde_json::from_slice(&manifest).unwrap();
        json["databases"][0]["file"]["rawBytes"] = json!(forged.len());
        json["databases"][0]["file"]["storedBytes"] = json!(stored.len());
        json["databases"][0]["file"]["sha256"] = json!(sha256(&stored));
        let bytes = serde_json::to_vec(&json).unwrap();
        std::fs::write(self.file(), &stored).unwrap();
        std::fs::write(&manifest_path, &bytes).unwrap();
        judge(&sha256(&bytes));
        std::fs::write(self.file(), whole).unwrap();
        std::fs::write(&manifest_path, manifest).unwrap();
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

pub fn physical_damage(kind: Kind) {
    let backup = Backup::make(kind);
    backup.verify(&backup.digest).succeeded();
    let file = backup.file();
    let whole = std::fs::read(&file).unwrap();
    let refuse = |bytes: &[u8], what: String| {
        backup.with_bytes(&file, bytes, || {
            backup.refused(&backup.digest, &what, &[Reason::ChecksumMismatch])
        });
    };
    for sixteenth in 0..16 {
        let end = whole.len() * sixteenth / 16;
        refuse(&whole[..end], format!("cut at {end}"));
    }
    for cut in [1, 2, 3, 4, 5, 8, 13, 40] {
        refuse(
            &whole[..whole.len() - cut],
            format!("last {cut} bytes gone"),
        );
    }
    for n in 0..40 {
        let (at, bit) = (whole.len() * n / 40, n % 8);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        refuse(&bytes, format!("bit {bit} of byte {at} flipped"));
    }
    for n in 0..8 {
        let (from, length) = (whole.len() * n / 8, (whole.len() / 16).max(1));
        let mut bytes = whole.clone();
        bytes[from..from + length].fill(0);
        refuse(&bytes, format!("{length} bytes from {from} are zero"));
    }
    refuse(&vec![0; whole.len()], "all zero".into());
    refuse(b"", "empty".into());
    refuse(&[whole.clone(), vec![0]].concat(), "a byte more".into());
    refuse(&[whole.clone(), whole.clone()].concat(), "twice".into());
    refuse(
        &std::fs::read(backup.directory.join("oms_cm.sql.zst")).unwrap(),
        "another database's file".into(),
    );
    let moved = backup.directory.join("moved");
    std::fs::rename(&file, &moved).unwrap();
    backup.refused(&backup.digest, "file missing", &[Reason::ChecksumMismatch]);
    std::fs::rename(&moved, &file).unwrap();

    let manifest = backup.directory.join("manifest.json");
    let text = std::fs::read(&manifest).unwrap();
    let mismatch = |bytes: &[u8], what: String| {
        backup.with_bytes(&manifest, bytes, || {
            backup.refused(&backup.digest, &what, &[Reason::ManifestMismatch])
        });
    };
    for n in 0..16 {
        let at = text.len() * n / 16;
        let mut bytes = text.clone();
        bytes[at] ^= 4;
        mismatch(&bytes, format!("byte {at} of the manifest changed"));
        mismatch(&text[..at], format!("manifest cut at {at}"));
    }
    // Damage that agrees with itself is worth nothing either: the operator knows the digest.
    backup.with_forged_text(
        |text| text.to_owned(),
        3,
        |_| backup.refused(&backup.digest, "forged", &[Reason::ManifestMismatch]),
    );
    std::fs::rename(&manifest, &moved).unwrap();
    backup.refused(
        &backup.digest,
        "manifest missing",
        &[Reason::ManifestMismatch],
    );
    std::fs::rename(&moved, &manifest).unwrap();
    backup.verify(&backup.digest).succeeded();
}

#[test]
fn physical_damage_to_a_mariadb_backup() {
    physical_damage(Kind::MariaDb);
}

#[test]
fn physical_damage_to_a_seekdb_backup() {
    physical_damage(Kind::Seekdb);
}

/// Replaces the first occurrence, which must be there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in the dump");
    text.replacen(from, to, 1)
}

fn without_lines(text: &str, belongs: impl Fn(&str) -> bool) -> String {
    text.lines()
        .filter(|line| !belongs(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

pub fn logical_damage(kind: Kind) {
    let backup = Backup::make(kind);
    let known = [
        Reason::ContentDiffers,
        Reason::UnexpectedStatement,
        Reason::NoHeader,
        Reason::NoTrailer,
        Reason::ChecksumMismatch,
    ];
    // The forger's own work is no reason to refuse.
    for level in [1, 19] {
        backup.with_forged_text(
            |text| text.to_owned(),
            level,
            |digest| {
                backup.verify(digest).succeeded();
            },
        );
    }
    let forge = |what: &str, change: &dyn Fn(&str) -> String| {
        backup.with_forged_text(change, 1, |digest| backup.refused(digest, what, &known));
    };
    let pairs = [
        ("header", "-- MariaDB dump", "-- dump"),
        ("name in header", "Database: oms_rm", "Database: oms_rm2"),
        ("trailer", "-- Dump completed", ""),
        (
            "statement after trailer",
            "-- Dump completed",
            "-- Dump completed\nSET @a = 1;",
        ),
        (
            "table name",
            "CREATE TABLE `parent`",
            "CREATE TABLE `barent`",
        ),
        ("column type", "`note` varchar(300)", "`note` varchar(299)"),
        (
            "default",
            "DEFAULT 'REFERENCES `oms_rm`",
            "DEFAULT 'REFERENCES `oms_cm`",
        ),
        ("comment of a column", "COMMENT '名字'", "COMMENT '字'"),
        ("foreign key", "REFERENCES `", "REFERENCES `x"),
        ("check", "CHECK (", "CHECK (1 or "),
        ("partition", "VALUES LESS THAN (", "VALUES LESS THAN (1"),
        ("unique key", "`唯一`", "`二`"),
        (
            "reserved name",
            "CREATE TABLE `order`",
            "CREATE TABLE `order2`",
        ),
        ("value", "(7,'😀 汉字 ñ')", "(7,'😀 汉字 n')"),
        ("half a character", "汉字 ñ", "汉字 "),
        ("key", "(7,'😀", "(8,'😀"),
        ("NULL for empty", "(3,NULL,", "(3,'',"),
        (
            "byte of a blob",
            "0x00FF27225C0A0D1A00",
            "0x00FF27225C0A0D1A01",
        ),
        ("short blob", "0x00FF27225C0A0D1A00", "0x00FF27225C0A0D1A"),
        ("bit", "0xFF00FF00FF00FF01", "0xFF00FF00FF00FF00"),
        (
            "decimal",
            "123456789012345678901234567891",
            "123456789012345678901234567890",
        ),
        ("float", "3.4e38", "3.3e38"),
        ("date", "9999-12-31", "9999-12-30"),
        ("time", "-838:59:59", "-838:59:58"),
        ("fraction of a second", ".123456", ".123457"),
        ("escape", "line\\nbreak", "line\\rbreak"),
        ("quote inside a value", "\\\\back\\'quote", "\\\\back'quote"),
        (
            "row order of columns",
            "INSERT INTO `parent` (`id`, `v`)",
            "INSERT INTO `parent` (`v`, `id`)",
        ),
        ("other table", "INSERT INTO `parent`", "INSERT INTO `empty`"),
        (
            "insert into elsewhere",
            "INSERT INTO `parent`",
            "INSERT INTO `oms_cm`.`host`",
        ),
        ("function for a value", "(7,'😀", "(7,SLEEP(1)),(7,'😀"),
        ("use", "DROP TABLE IF EXISTS `parent`;", "USE `oms_cm`;"),
        (
            "drop database",
            "DROP TABLE IF EXISTS `parent`;",
            "DROP DATABASE `oms_cm`;",
        ),
        (
            "grant",
            "DROP TABLE IF EXISTS `parent`;",
            "GRANT ALL ON *.* TO `x`@`%`;",
        ),
        (
            "delete",
            "DROP TABLE IF EXISTS `parent`;",
            "DELETE FROM `parent`;",
        ),
        (
            "trigger",
            "DROP TABLE IF EXISTS `parent`;",
            "CREATE TRIGGER `x` BEFORE INSERT ON `parent` FOR EACH ROW SET @a=1;",
        ),
        (
            "alter",
            "/*!40000 ALTER TABLE `parent` DISABLE KEYS */",
            "/*!40000 ALTER TABLE `parent` DROP COLUMN `v` */",
        ),
        ("open string", "(7,'😀 汉字 ñ')", "(7,'😀 汉字 ñ)"),
        (
            "second statement",
            "DROP TABLE IF EXISTS `parent`;",
            "DROP TABLE IF EXISTS `parent`; TRUNCATE `child`;",
        ),
    ];
    for (what, from, to) in pairs {
        // Views and checks are spelt differently by the engines; what a dump lacks cannot be damaged.
        let text = String::from_utf8(
            zstd::decode_all(std::fs::read(backup.file()).unwrap().as_slice()).unwrap(),
        )
        .unwrap();
        if text.contains(from) {
            forge(what, &|text| replaced(text, from, to));
        } else {
            assert!(
                ["name in header"].contains(&what) || kind == Kind::Seekdb,
                "{what}: {from} is not in the dump"
            );
        }
    }
    forge("a table left out", &|text| {
        let from = text
            .find("--\n-- Table structure for table `parts`")
            .unwrap();
        let rest = &text[from + 10..];
        let to = from
            + 10
            + rest
                .find("--\n-- Table structure for table")
                .or_else(|| rest.find("--\n-- Temporary table structure"))
                .unwrap();
        format!("{}{}", &text[..from], &text[to..])
    });
    forge("rows left out", &|text| {
        without_lines(text, |line| line.starts_with("INSERT INTO `filler`"))
    });
    forge("rows twice", &|text| {
        let from = text.find("INSERT INTO `no_key`").unwrap();
        let to = from + text[from..].find(";\n").unwrap() + 2;
        format!("{}{}{}", &text[..to], &text[from..to], &text[to..])
    });
    forge("a row moved to another table", &|text| {
        text.replacen("INSERT INTO `no_key`", "INSERT INTO `back``tick`", 1)
    });
    forge("a view left out", &|text| {
        without_lines(text, |line| line.contains("VIEW `v_children` AS"))
    });
    forge("a table created twice", &|text| {
        let from = text.find("CREATE TABLE `empty`").unwrap();
        let to = from + text[from..].find(";\n").unwrap() + 2;
        format!("{}{}{}", &text[..to], &text[from..to], &text[to..])
    });
    for sixteenth in 1..16 {
        forge("text cut", &|text| {
            let mut end = text.len() * sixteenth / 16;
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text[..end].to_owned()
        });
        // A stump that ends on a whole statement and even has a trailer: what a cut query leaves.
        forge("cut with a trailer", &|text| {
            let end = text[..text.len() * sixteenth / 16 + 200]
                .rfind(";\n")
                .map_or(0, |at| at + 2);
            format!("{}\n-- Dump completed\n", &text[..end])
        });
    }
    backup.verify(&backup.digest).succeeded();
}

#[test]
fn logical_damage_to_a_mariadb_backup() {
    logical_damage(Kind::MariaDb);
}

#[test]
fn logical_damage_to_a_seekdb_backup() {
    logical_damage(Kind::Seekdb);
}

/// Sizes that lie: a manifest that says another length than the stream has.
#[test]
fn lying_sizes_are_refused() {
    let backup = Backup::make(Kind::MariaDb);
    let path = backup.directory.join("manifest.json");
    let manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for field in ["rawBytes", "storedBytes"] {
        for delta in [-1, 1] {
            let mut json = manifest.clone();
            let value = json["databases"][1]["file"][field].as_i64().unwrap() + delta;
            json["databases"][1]["file"][field] = json!(value);
            let bytes = serde_json::to_vec(&json).unwrap();
            backup.with_bytes(&path, &bytes, || {
                backup.refused(&sha256(&bytes), field, &[Reason::ChecksumMismatch])
            });
        }
    }
}

/// A restore refuses what a verification refuses, and a dump of one kind of server never goes to another.
#[test]
fn a_restore_refuses_damage_and_foreign_engines_before_it_touches_anything() {
    let backup = Backup::make(Kind::Seekdb);
    let before = backup.world.text();
    let whole = std::fs::read(backup.file()).unwrap();
    backup.with_bytes(&backup.file(), &whole[..whole.len() / 2], || {
        for method in ["Swap", "DropAndLoad"] {
            let mut request = backup.world.trusting(2, &backup.digest);
            request["restoreMethod"] = json!(method);
            backup
                .world
                .run("restore", &request)
                .failed(Reason::ChecksumMismatch);
        }
    });
    assert_eq!(backup.world.text(), before);
    let other = World::small(Kind::MariaDb);
    let mut request = other.trusting(2, &backup.digest);
    request["directory"] = json!(backup.world.directory());
    other.run("restore", &request).failed(Reason::EngineDiffers);
    assert_eq!(other.beside(), Vec::<String>::new());
    assert_eq!(other.server.sql("SELECT COUNT(*) FROM oms_rm.child"), "2\n");
}

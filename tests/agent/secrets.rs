//! The password is found nowhere: not in the process table, not in what the agent says, not in what it leaves.
//! And a leak that is put into each of these places is found.

use crate::engines::Kind;
use crate::engines::world::{PASSWORD, World};
use oms_operator::protocol::report::Reason;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Both tests look at all processes, and one of them leaks on purpose.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The part of the password that no escaping changes.
const CORE: &str = "cAnArY7f3e9b1c0d5a";

/// Every spelling in which it could hide.
fn spellings() -> Vec<Vec<u8>> {
    assert!(PASSWORD.contains(CORE));
    let mut all = vec![
        CORE.as_bytes().to_vec(),
        CORE.chars().rev().collect::<String>().into_bytes(),
    ];
    all.push(
        CORE.bytes()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
            .into_bytes(),
    );
    all.push(
        CORE.bytes()
            .map(|b| format!("{b:02X}"))
            .collect::<String>()
            .into_bytes(),
    );
    for shift in 0..3 {
        // The middle of its base64 in each of the three alignments.
        let padded = [vec![b' '; shift], CORE.as_bytes().to_vec()].concat();
        let text = base64(&padded);
        all.push(text[4..text.len() - 4].to_vec());
    }
    all
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .enumerate()
            .fold(0_u32, |word, (n, b)| word | u32::from(*b) << (16 - 8 * n));
        for n in 0..4 {
            out.push(if n <= chunk.len() {
                DIGITS[(word >> (18 - 6 * n)) as usize & 63]
            } else {
                b'='
            });
        }
    }
    out
}

fn leaks(bytes: &[u8]) -> bool {
    spellings().iter().any(|spelling| {
        bytes
            .windows(spelling.len())
            .any(|window| window == spelling)
    })
}

/// Files below `directory` that hold it, compressed ones included.
fn leaking_files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(leaking_files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let plain = zstd::decode_all(bytes.as_slice()).unwrap_or_default();
            if leaks(&bytes) || leaks(&plain) || leaks(path.as_os_str().as_encoded_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Looks at arguments and environment of all processes of this machine, again and again.
struct Watch {
    stop: Arc<AtomicBool>,
    found: Arc<Mutex<BTreeSet<String>>>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

impl Watch {
    fn start() -> Self {
        let (stop, found) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(BTreeSet::new())),
        );
        let (stopping, finding) = (Arc::clone(&stop), Arc::clone(&found));
        let thread = std::thread::spawn(move || {
            let mut seen = 0;
            while !stopping.load(Ordering::SeqCst) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let Some(pid) = entry
                        .file_name()
                        .to_str()
                        .and_then(|n| n.parse::<u32>().ok())
                    else {
                        continue;
                    };
                    for part in ["cmdline", "environ"] {
                        let bytes = std::fs::read(entry.path().join(part)).unwrap_or_default();
                        seen += u64::from(
                            bytes.windows(9).any(|w| w == b"--request")
                                || bytes.windows(15).any(|w| w == b"--defaults-file"),
                        );
                        if leaks(&bytes) {
                            finding.lock().unwrap().insert(format!(
                                "{part} of {pid}: {}",
                                String::from_utf8_lossy(&bytes)
                            ));
                        }
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            seen
        });
        Self {
            stop,
            found,
            thread: Some(thread),
        }
    }

    /// What was found, and how often an agent or its client was looked at.
    fn end(mut self) -> (BTreeSet<String>, u64) {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.thread.take().unwrap().join().unwrap();
        (self.found.lock().unwrap().clone(), seen)
    }
}

#[test]
fn the_password_is_found_nowhere() {
    the_password_is_found_nowhere_on(&[Kind::MariaDb, Kind::Seekdb]);
}

/// See the test.
pub fn the_password_is_found_nowhere_on(kinds: &[Kind]) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for &kind in kinds {
        let world = World::small(kind);
        let watch = Watch::start();
        let mut said = Vec::new();
        let mut run = |command: &str, request: &serde_json::Value| {
            let ended = world.run(command, request);
            said.extend([
                ended.stdout.clone(),
                ended.stderr.clone(),
                ended.termination_log.clone(),
            ]);
            ended
        };
        run("probe", &world.request(1)).succeeded();
        let digest = run("dump", &world.request(1))
            .succeeded()
            .manifest_digest
            .clone()
            .unwrap();
        run("verify", &world.trusting(1, &digest)).succeeded();
        world.migrate();
        run("compare", &world.trusting(1, &digest)).succeeded();
        run("restore", &world.trusting(1, &digest)).succeeded();
        // Failures say more than successes.
        world.set_account("nobody", PASSWORD);
        run("dump", &world.request(2)).failed(Reason::AccessDenied);
        world.set_account(PASSWORD, PASSWORD);
        run("dump", &world.request(3)).failed(Reason::AccessDenied);
        std::fs::write(
            world.secret.path().join("config.yaml"),
            format!("oms_meta_user: a\noms_meta_password: [{PASSWORD}\n"),
        )
        .unwrap();
        let mut request = world.request(4);
        request["credentials"] =
            json!({"configYaml": {"path": world.secret.path().join("config.yaml")}});
        run("dump", &request).failed(Reason::CredentialsUnreadable);
        let (found, seen) = watch.end();
        assert!(found.is_empty(), "{found:?}");
        assert!(seen > 10, "agents were seen only {seen} times");
        for text in &said {
            assert!(!leaks(text.as_bytes()), "{text}");
        }
        assert_eq!(leaking_files(world.claim.path()), Vec::<String>::new());
        assert_eq!(leaking_files(world.scratch.path()), Vec::<String>::new());
    }
}

#[test]
fn a_leak_in_each_place_is_found() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let text = format!("x{PASSWORD}x");
    for (n, bytes) in [
        text.clone().into_bytes(),
        base64(text.as_bytes()),
        base64(format!(" {text}").as_bytes()),
        base64(format!("  {text}").as_bytes()),
        text.bytes()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
            .into_bytes(),
        serde_json::to_vec(&json!({"message": text})).unwrap(),
        zstd::encode_all(text.as_bytes(), 1).unwrap(),
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.path().join(n.to_string());
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(
            leaking_files(directory.path()),
            [path.display().to_string()],
            "file {n}"
        );
        std::fs::remove_file(path).unwrap();
    }
    for seeded in [
        (
            "argument",
            Command::new("sh").args(["-c", "sleep 600", CORE]),
        ),
        (
            "environment",
            Command::new("sleep").arg("600").env("X", CORE),
        ),
    ] {
        let watch = Watch::start();
        let mut child = seeded.1.stdin(Stdio::null()).spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while watch.found.lock().unwrap().is_empty() {
            assert!(
                std::time::Instant::now() < deadline,
                "a leak by {} was not found",
                seeded.0
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        watch.end();
    }
}

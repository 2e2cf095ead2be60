//! A TCP proxy between agent and server that knows the MySQL protocol just well enough to count statements, and
//! to strike at a chosen one.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What to do at the chosen statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// Nothing, only count.
    Count,
    /// `kill -9` the agent before the server gets the statement.
    KillBefore,
    /// Let the server have it, then `kill -9` the agent.
    KillAfter,
    /// Break all connections before the server gets it.
    Cut,
    /// Answer it with this error in place of the server, so many times.
    Refuse(u16, usize),
    /// Stop the agent (SIGSTOP) before the server gets it and leave all connections open: a node that is lost says no
    /// goodbye.
    Freeze,
}

/// Which statement.
#[derive(Clone, Copy, Debug)]
enum Chosen {
    /// By its number, from 0.
    Number(usize),
    /// The first one that begins so.
    Beginning(&'static str),
}

struct Shared {
    strike: Strike,
    /// A text that the server gets with this last letter.
    altered: Option<(&'static str, u8)>,
    chosen: Chosen,
    count: AtomicUsize,
    struck: AtomicBool,
    refused: AtomicUsize,
    victim: AtomicU32,
    statements: Mutex<Vec<String>>,
    open: Mutex<Vec<TcpStream>>,
}

/// The proxy; stops listening with its process, which is a test.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a free port and forwards to `server`; strikes at the statement with number `at`, from 0.
    pub fn start(server: u16, strike: Strike, at: usize) -> Self {
        Self::forward_to(server, strike, Chosen::Number(at))
    }

    /// Listens on a free port and forwards to `server`; strikes at the first statement that begins with `text`.
    pub fn start_at_text(server: u16, strike: Strike, text: &'static str) -> Self {
        Self::forward_to(server, strike, Chosen::Beginning(text))
    }

    /// Listens on a free port and forwards to `server`, which seems not to know the variable `name`.
    pub fn without(server: u16, name: &'static str) -> Self {
        Self::altering(server, name, b'_')
    }

    /// Listens on a free port and forwards to `server`, with another last letter wherever `text` stands.
    pub fn altering(server: u16, text: &'static str, last: u8) -> Self {
        Self::listen(server, Strike::Count, Chosen::Number(0), Some((text, last)))
    }

    fn forward_to(server: u16, strike: Strike, chosen: Chosen) -> Self {
        Self::listen(server, strike, chosen, None)
    }

    fn listen(
        server: u16,
        strike: Strike,
        chosen: Chosen,
        altered: Option<(&'static str, u8)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            strike,
            altered,
            chosen,
            count: AtomicUsize::new(0),
            struck: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            victim: AtomicU32::new(0),
            statements: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                forward(&accepting, client, upstream);
            }
        });
        Self { port, shared }
    }

    /// A request of the agent, by way of this proxy.
    pub fn through(&self, mut request: Value) -> Value {
        request["metadb"]["port"] = json!(self.port);
        request
    }

    /// Whom to kill.
    pub fn aim_at(&self, pid: u32) {
        self.shared.victim.store(pid, Ordering::SeqCst);
    }

    /// Whether the chosen statement came.
    pub fn has_struck(&self) -> bool {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// The statements that went by.
    pub fn statements(&self) -> Vec<String> {
        self.shared.statements.lock().unwrap().clone()
    }
}

fn forward(shared: &Arc<Shared>, client: TcpStream, upstream: TcpStream) {
    for stream in [&client, &upstream] {
        let _ = stream.set_nodelay(true);
        shared
            .open
            .lock()
            .unwrap()
            .push(stream.try_clone().unwrap());
    }
    let (mut down_from, mut down_to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut down_from, &mut down_to);
        let _ = down_to.shutdown(Shutdown::Both);
    });
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let (mut client, mut upstream) = (client, upstream);
        let _ = pass_packets(&shared, &mut client, &mut upstream);
        let _ = upstream.shutdown(Shutdown::Both);
    });
}

/// Passes packet by packet; a packet with sequence number 0 and first byte 3 is a statement.
fn pass_packets(
    shared: &Shared,
    client: &mut TcpStream,
    upstream: &mut TcpStream,
) -> std::io::Result<()> {
    let mut head = [0; 4];
    loop {
        client.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        if let Some((text, last)) = shared.altered {
            misspell(&mut body, text.as_bytes(), last);
        }
        let is_statement = head[3] == 0 && body.first() == Some(&3);
        let is_chosen = is_statement && {
            let text: String = String::from_utf8_lossy(&body[1..])
                .chars()
                .take(160)
                .collect();
            let number = shared.count.fetch_add(1, Ordering::SeqCst);
            let chosen = match shared.chosen {
                Chosen::Number(at) => number == at,
                Chosen::Beginning(beginning) => text.starts_with(beginning),
            };
            shared.statements.lock().unwrap().push(text);
            chosen
        };
        if let (true, Strike::Refuse(code, times)) = (is_chosen, shared.strike) {
            if shared.refused.fetch_add(1, Ordering::SeqCst) < times {
                client.write_all(&refusal(code))?;
                continue;
            }
            shared.struck.store(true, Ordering::SeqCst);
        }
        let is_refusing = matches!(shared.strike, Strike::Refuse(..));
        let struck_before = shared.struck.load(Ordering::SeqCst) && !is_refusing;
        let is_chosen = is_chosen && !is_refusing;
        if (is_chosen && shared.strike != Strike::KillAfter && shared.strike != Strike::Count)
            || (struck_before && shared.strike != Strike::Count)
        {
            strike(shared);
            return Ok(());
        }
        upstream.write_all(&head)?;
        upstream.write_all(&body)?;
        // A client that asks for TLS says so in a short packet, and from there on nobody in between understands it.
        if head[3] == 1 && length == 32 {
            return std::io::copy(client, upstream).map(|_| ());
        }
        if is_chosen && shared.strike == Strike::KillAfter {
            strike(shared);
            return Ok(());
        }
    }
}

/// A server's error, in the first packet of an answer.
fn refusal(code: u16) -> Vec<u8> {
    let mut body = vec![0xff];
    body.extend(code.to_le_bytes());
    body.extend(b"#HY000over tenant memory limits");
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], 1];
    packet.append(&mut body);
    packet
}

/// Makes the last letter of a text another one, wherever it stands.
fn misspell(body: &mut [u8], name: &[u8], last: u8) {
    let starts: Vec<usize> = body
        .windows(name.len())
        .enumerate()
        .filter(|(_, window)| *window == name)
        .map(|(at, _)| at)
        .collect();
    for at in starts {
        body[at + name.len() - 1] = last;
    }
}

fn strike(shared: &Shared) {
    shared.struck.store(true, Ordering::SeqCst);
    match shared.strike {
        Strike::Count | Strike::Refuse(..) => {}
        Strike::KillBefore | Strike::KillAfter => send_signal(shared, "-KILL"),
        Strike::Freeze => {
            send_signal(shared, "-STOP");
            // Nothing is closed from this side; the thread ends with the test's process.
            loop {
                std::thread::park();
            }
        }
        Strike::Cut => {
            for stream in shared.open.lock().unwrap().iter() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

fn send_signal(shared: &Shared, signal: &str) {
    // The victim is known as soon as its process runs; its first statement may be faster.
    while shared.victim.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let pid = shared.victim.load(Ordering::SeqCst).to_string();
    let _ = std::process::Command::new("kill")
        .args([signal, &pid])
        .status();
}

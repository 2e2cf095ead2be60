//! What the two ends of a MySQL connection may say to each other. Pure.
//!
//! The driver believes its server: it allocates for as many columns as one announces, indexes into packets that are
//! empty, and hands the password to whoever sends a key for it. So each packet is looked at here before the driver sees
//! it. What passes is passed as it is.
use super::framing::{Framing, Seen};
use thiserror::Error;

/// Largest packet before the login is through: greetings, keys and refusals are a few hundred bytes.
const LOGIN_PACKET: usize = 16 << 10;
/// Packets of the server before the login is through: greeting, one change of method, one answer to it.
const LOGIN_PACKETS: u32 = 6;
/// As much of a packet as is looked at once the login is through.
const PREFIX: usize = 32;
/// MySQL's own limit for a table, and for what a statement answers.
const MOST_COLUMNS: u64 = 4096;
/// Length of a packet that goes on in the next one.
const WHOLE_PACKET: usize = 0xff_ffff;
/// Bytes that a server gives to be mixed with the password.
const SCRAMBLE: usize = 20;

const COM_QUERY: u8 = 0x03;
const COM_STMT_EXECUTE: u8 = 0x17;
/// `CLIENT_SSL`, in the second byte of the client's capabilities.
const WANTS_TLS: u8 = 0x08;
/// A request for TLS ends where the answer to a greeting names the user.
const TLS_REQUEST: usize = 32;
const MORE_RESULTS: u8 = 0x08;
/// Length of what ends a result in the older of two forms.
const PLAIN_END: usize = 5;

/// Why a connection was cut.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A way to log in that would tell the password, or that the driver does not know.
    #[error("{0}")]
    Login(String),
    /// Not the protocol, or more than anybody honest says.
    #[error("what answers there does not speak the MySQL protocol as expected: {0}")]
    Malformed(&'static str),
    /// More bytes than the call may bring.
    #[error("more than {0} bytes were sent")]
    TooLarge(u64),
}

/// Where the dialogue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until the server says that the client is in, or is not.
    Login,
    Session,
    /// Encrypted: nothing can be read, and nobody in between can say anything either.
    Tls,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Dialogue {
    stage: Stage,
    most_bytes: Option<u64>,
    bytes: u64,
    server: Framing,
    client: Framing,
    login_packets: u32,
    /// The next packet of the server says how many columns follow.
    awaits_answer: bool,
}

impl Dialogue {
    /// A connection whose server may send so many bytes in all.
    pub(super) fn new(most_bytes: Option<u64>) -> Self {
        Self {
            stage: Stage::Login,
            most_bytes,
            bytes: 0,
            server: Framing::new(LOGIN_PACKET),
            client: Framing::new(PREFIX),
            login_packets: 0,
            awaits_answer: false,
        }
    }

    /// Looks at bytes on their way to the server.
    pub(super) fn hear_client(&mut self, mut bytes: &[u8]) {
        while self.stage != Stage::Tls && !bytes.is_empty() {
            let (seen, rest) = self.client.take(bytes);
            bytes = rest;
            let Some(Seen::Packet(packet)) = seen else {
                continue;
            };
            let head = packet.head.as_slice();
            if self.stage == Stage::Login {
                let wants_tls = head.get(1).is_some_and(|flags| flags & WANTS_TLS != 0);
                if packet.sequence == 1 && packet.length == TLS_REQUEST && wants_tls {
                    self.stage = Stage::Tls;
                }
            } else if packet.sequence == 0 {
                self.awaits_answer = matches!(head.first(), Some(&(COM_QUERY | COM_STMT_EXECUTE)));
            }
        }
    }

    /// Looks at bytes on their way to the client.
    ///
    /// # Errors
    /// They must not get there.
    pub(super) fn hear_server(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        self.require_room(0)?;
        while self.stage != Stage::Tls && !bytes.is_empty() {
            let (seen, rest) = self.server.take(bytes);
            bytes = rest;
            match seen {
                None => {}
                Some(Seen::Header { length, goes_on }) => self.judge_length(length, goes_on)?,
                Some(Seen::Packet(packet)) if packet.goes_on => {}
                Some(Seen::Packet(packet)) => {
                    let (head, length) = (packet.head.as_slice(), packet.length);
                    match self.stage {
                        Stage::Login => self.judge_login(head)?,
                        _ => self.judge_answer(head, length)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn require_room(&self, announced: usize) -> Result<(), Refusal> {
        let announced = u64::try_from(announced).unwrap_or(u64::MAX);
        match self.most_bytes {
            Some(most) if self.bytes.saturating_add(announced) > most => {
                Err(Refusal::TooLarge(most))
            }
            _ => Ok(()),
        }
    }

    /// A header makes the driver set room aside, so it is judged before anything follows.
    fn judge_length(&mut self, length: usize, goes_on: bool) -> Result<(), Refusal> {
        if length == 0 && !goes_on {
            return Err(Refusal::Malformed("an empty packet"));
        }
        if self.stage == Stage::Login && length > LOGIN_PACKET {
            return Err(Refusal::Malformed("a login of many kilobytes"));
        }
        if self
            .most_bytes
            .is_some_and(|most| u64::try_from(length).unwrap_or(u64::MAX) > most)
        {
            return self.require_room(length);
        }
        Ok(())
    }

    fn judge_login(&mut self, packet: &[u8]) -> Result<(), Refusal> {
        self.login_packets += 1;
        if self.login_packets > LOGIN_PACKETS {
            return Err(Refusal::Malformed("a login that does not end"));
        }
        // The greeting. Nothing in it makes the driver tell the password; in its version it finds digits of every
        // alphabet and can read only one.
        if self.login_packets == 1 {
            let version = packet.split(|byte| *byte == 0).next().unwrap_or_default();
            return if version.is_ascii() || packet.first() == Some(&0xff) {
                Ok(())
            } else {
                Err(Refusal::Malformed("a version that is none"))
            };
        }
        match packet {
            // The driver would read on behind it.
            [0xff, 0xff, 0xff, ..] => Err(Refusal::Malformed("a report of progress")),
            [0x00 | 0xff, ..] => {
                self.stage = Stage::Session;
                self.server.look_at(PREFIX);
                Ok(())
            }
            [0xfe, request @ ..] => judge_change(request),
            // More of a method: of those that are let pass, only caching_sha2_password has that.
            [0x01, ..] => Err(Refusal::Login(NEEDS_TLS.to_owned())),
            _ => Err(Refusal::Malformed("a login of no known kind")),
        }
    }

    fn judge_answer(&mut self, head: &[u8], length: usize) -> Result<(), Refusal> {
        let begins = std::mem::take(&mut self.awaits_answer);
        let more = match head {
            [0xff, 0xff, 0xff, ..] => return Err(Refusal::Malformed("a report of progress")),
            [0xff, ..] => false,
            [0xfb, ..] if begins => return Err(Refusal::Malformed("a request for a file")),
            [0x00, ..] if begins => promises_more(head, 1),
            _ if begins && read_number(head).is_none_or(|columns| columns > MOST_COLUMNS) => {
                return Err(Refusal::Malformed("an answer of too many columns"));
            }
            [0xfe, ..] if length == PLAIN_END => promises_more(head, 3),
            [0xfe, ..] if length < WHOLE_PACKET => promises_more(head, 1),
            _ => false,
        };
        if more {
            // Its columns would be counted by nobody, and none is ever asked for.
            return Err(Refusal::Malformed("several answers to one question"));
        }
        Ok(())
    }
}

/// The server wants another method.
fn judge_change(request: &[u8]) -> Result<(), Refusal> {
    let mut parts = request.splitn(2, |byte| *byte == 0);
    let method = parts.next().unwrap_or_default();
    let scramble = parts.next().unwrap_or_default();
    match method {
        b"mysql_native_password" | b"caching_sha2_password" if scramble.len() < SCRAMBLE => {
            Err(Refusal::Malformed("nothing to mix with the password"))
        }
        b"mysql_native_password" | b"caching_sha2_password" => Ok(()),
        b"" => Err(Refusal::Login("mysql_old_password".to_owned())),
        b"mysql_clear_password" => Err(Refusal::Login("the password in clear text".to_owned())),
        // The driver knows some by name and panics when it has to use them.
        other => Err(Refusal::Login(shorten(&String::from_utf8_lossy(other)))),
    }
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Completes "asks for …".
const NEEDS_TLS: &str =
    "caching_sha2_password without TLS, which would give the password to whoever answers";

/// Whether the status says that another result follows: at a place, or behind two numbers that begin there.
fn promises_more(head: &[u8], at: usize) -> bool {
    let behind = |at: usize| Some(at + measure_number(*head.get(at)?));
    let status = if at == 1 {
        behind(1).and_then(behind)
    } else {
        Some(at)
    };
    status
        .and_then(|at| head.get(at))
        .is_some_and(|status| status & MORE_RESULTS != 0)
}

/// Length of a number that begins so.
fn measure_number(first: u8) -> usize {
    match first {
        0xfc => 3,
        0xfd => 4,
        0xfe => 9,
        _ => 1,
    }
}

/// A number of the protocol's own coding.
fn read_number(head: &[u8]) -> Option<u64> {
    let first = *head.first()?;
    if first < 0xfb {
        return Some(u64::from(first));
    }
    let bytes = head.get(1..measure_number(first))?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;

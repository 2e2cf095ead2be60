//! What the two ends of a MySQL connection may say to each other once the client is in. Pure.
//!
//! The driver believes its server: it allocates for as many columns as one announces, and indexes into packets that are
//! empty. So each packet is looked at here before the driver sees it. What passes is passed as it is.
use super::framing::{Framing, Seen};
use thiserror::Error;

/// As much of a packet as is looked at.
const PREFIX: usize = 32;
/// MySQL's own limit for a table, and for what a statement answers.
const MOST_COLUMNS: u64 = 4096;
/// Length of a packet that goes on in the next one.
const WHOLE_PACKET: usize = 0xff_ffff;

const COM_QUERY: u8 = 0x03;
const COM_STMT_EXECUTE: u8 = 0x17;
const MORE_RESULTS: u8 = 0x08;
/// Length of what ends a result in the older of two forms.
const PLAIN_END: usize = 5;

/// Why a connection was cut.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A way to log in that would tell the password, or that the driver does not know.
    #[error("a login by {0} is not offered")]
    Login(String),
    /// `caching_sha2_password` on a connection that nothing protects, and nobody has allowed that.
    #[error(
        "caching_sha2_password without TLS would give the password to whoever answers, and is not allowed"
    )]
    Unprotected,
    /// TLS is asked for, and the server has none. Nothing was said to it.
    #[error("the server offers no TLS")]
    TlsNotOffered,
    /// The server's certificate is not what it must be. Nothing was said to it but that TLS is wanted.
    #[error("the server's certificate is not trusted: {0}")]
    Untrusted(String),
    /// No encrypted connection came about, or it broke.
    #[error("TLS with the server failed: {0}")]
    TlsFailed(String),
    /// Not the protocol, or more than anybody honest says.
    #[error("what answers there does not speak the MySQL protocol as expected: {0}")]
    Malformed(&'static str),
    /// More bytes than the call may bring.
    #[error("more than {0} bytes were sent")]
    TooLarge(u64),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Dialogue {
    most_bytes: Option<u64>,
    bytes: u64,
    server: Framing,
    client: Framing,
    /// The next packet of the server says how many columns follow.
    awaits_answer: bool,
}

impl Dialogue {
    /// A connection whose server may send so many bytes in all.
    pub(super) fn new(most_bytes: Option<u64>) -> Self {
        Self {
            most_bytes,
            bytes: 0,
            server: Framing::new(PREFIX),
            client: Framing::new(PREFIX),
            awaits_answer: false,
        }
    }

    /// Looks at bytes on their way to the server.
    pub(super) fn hear_client(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (seen, rest) = self.client.take(bytes);
            bytes = rest;
            if let Some(Seen::Packet(packet)) = seen
                && packet.sequence == 0
            {
                let command = packet.head.first();
                self.awaits_answer = matches!(command, Some(&(COM_QUERY | COM_STMT_EXECUTE)));
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
        while !bytes.is_empty() {
            let (seen, rest) = self.server.take(bytes);
            bytes = rest;
            match seen {
                None => {}
                Some(Seen::Header { length, goes_on }) => self.judge_length(length, goes_on)?,
                Some(Seen::Packet(packet)) if packet.goes_on => {}
                Some(Seen::Packet(packet)) => self.judge_answer(&packet.head, packet.length)?,
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
    fn judge_length(&self, length: usize, goes_on: bool) -> Result<(), Refusal> {
        if length == 0 && !goes_on {
            return Err(Refusal::Malformed("an empty packet"));
        }
        if self
            .most_bytes
            .is_some_and(|most| u64::try_from(length).unwrap_or(u64::MAX) > most)
        {
            return self.require_room(length);
        }
        Ok(())
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

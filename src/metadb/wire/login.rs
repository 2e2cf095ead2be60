//! What the two ends may say to each other until the client is in. Pure.
//!
//! They speak in turns, so one packet at a time is looked at, and nothing is handed on before it was.
use super::dialogue::Refusal;
use super::server_key::judge_key;

/// Packets of the server in one login: greeting, one change of method, "all of it", a key, and the end.
const MOST_PACKETS: u32 = 6;
/// Bytes that a server gives to be mixed with the password.
const SCRAMBLE: usize = 20;
/// What a client says that wants the server's key.
const ASKS_FOR_KEY: &[u8] = &[0x02];

/// What may be said on this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LoginTerms {
    /// `caching_sha2_password` may go on behind its first packet.
    pub allows_sha2: bool,
    /// The client says the password itself, because the connection is encrypted.
    pub is_encrypted: bool,
    /// Bytes of the password, for which a key must have room.
    pub password_length: usize,
}

/// Who speaks next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Server,
    Client,
    /// The login is over, well or not.
    Ended,
}

/// What was said last, as far as it decides about what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Method,
    /// The server wants the whole password.
    Whole,
    /// The client has asked for the key.
    Key,
    /// "That was right": the end must follow.
    Right,
}

/// A login as it goes on: what may be said next depends on what was said before.
#[derive(Debug)]
pub(super) struct Login {
    terms: LoginTerms,
    stage: Stage,
    packets: u32,
}

impl Login {
    pub(super) fn new(terms: LoginTerms) -> Self {
        Self {
            terms,
            stage: Stage::Greeting,
            packets: 0,
        }
    }

    /// Looks at a packet of the server.
    ///
    /// # Errors
    /// It must not get to the client.
    pub(super) fn hear_server(&mut self, packet: &[u8]) -> Result<Turn, Refusal> {
        self.packets += 1;
        if self.packets > MOST_PACKETS {
            return Err(Refusal::Malformed("a login that does not end"));
        }
        match (self.stage, packet) {
            (_, []) => Err(Refusal::Malformed("an empty packet")),
            // The driver would read on behind it.
            (_, [0xff, 0xff, 0xff, ..]) => Err(Refusal::Malformed("a report of progress")),
            (_, [0xff, ..]) => Ok(Turn::Ended),
            (Stage::Greeting, _) => self.judge_greeting(packet),
            (_, [0x00, ..]) => Ok(Turn::Ended),
            (Stage::Method, [0xfe, request @ ..]) => judge_change(request),
            // More of a method: of those that are let pass, only caching_sha2_password has that.
            (Stage::Method, [0x01, ..]) if !self.terms.allows_sha2 => Err(Refusal::Unprotected),
            (Stage::Method, [0x01, 0x03]) => {
                self.stage = Stage::Right;
                Ok(Turn::Server)
            }
            (Stage::Method, [0x01, 0x04]) => {
                self.stage = Stage::Whole;
                Ok(Turn::Client)
            }
            (Stage::Key, [0x01, key @ ..]) => {
                judge_key(key, self.terms.password_length).map_err(Refusal::Malformed)?;
                self.stage = Stage::Right;
                Ok(Turn::Client)
            }
            _ => Err(Refusal::Malformed("a login of no known kind")),
        }
    }

    /// Looks at a packet of the client.
    ///
    /// # Errors
    /// It would tell the password to whoever reads along.
    pub(super) fn hear_client(&mut self, packet: &[u8]) -> Result<(), Refusal> {
        if self.stage != Stage::Whole {
            return Ok(());
        }
        self.stage = match (self.terms.is_encrypted, packet == ASKS_FOR_KEY) {
            (true, _) => Stage::Right,
            (false, true) => Stage::Key,
            (false, false) => return Err(Refusal::Unprotected),
        };
        Ok(())
    }

    /// Nothing in a greeting makes the driver tell the password; in the version it finds digits of every alphabet and
    /// can read only one.
    fn judge_greeting(&mut self, packet: &[u8]) -> Result<Turn, Refusal> {
        let version = packet.split(|byte| *byte == 0).next().unwrap_or_default();
        if !version.is_ascii() {
            return Err(Refusal::Malformed("a version that is none"));
        }
        self.stage = Stage::Method;
        Ok(Turn::Client)
    }
}

/// The server wants another method.
fn judge_change(request: &[u8]) -> Result<Turn, Refusal> {
    let mut parts = request.splitn(2, |byte| *byte == 0);
    let method = parts.next().unwrap_or_default();
    let scramble = parts.next().unwrap_or_default();
    match method {
        b"mysql_native_password" | b"caching_sha2_password" if scramble.len() < SCRAMBLE => {
            Err(Refusal::Malformed("nothing to mix with the password"))
        }
        b"mysql_native_password" | b"caching_sha2_password" => Ok(Turn::Client),
        b"" => Err(Refusal::Login("mysql_old_password".to_owned())),
        b"mysql_clear_password" => Err(Refusal::Login("the password in clear text".to_owned())),
        // The driver knows some by name and panics when it has to use them.
        other => Err(Refusal::Login(shorten(&String::from_utf8_lossy(other)))),
    }
}

fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;

//! Packets in a stream of bytes that comes in pieces. Pure.

/// Length of a packet that goes on in the next one.
const WHOLE_PACKET: usize = 0xff_ffff;
const HEADER: usize = 4;

/// Finds packets, and keeps the beginning of each.
#[derive(Debug)]
pub(super) struct Framing {
    header: [u8; HEADER],
    /// Bytes of the header that are there.
    filled: usize,
    length: usize,
    left: usize,
    /// As many bytes of a packet are looked at.
    looked_at: usize,
    head: Vec<u8>,
    told: bool,
    /// The packet before this one was a whole one, so this goes on with it.
    goes_on: bool,
}

/// The beginning of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub head: Vec<u8>,
    pub length: usize,
    pub sequence: u8,
    /// It goes on with the one before.
    pub goes_on: bool,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Header { length: usize, goes_on: bool },
    Packet(Packet),
}

impl Framing {
    /// Keeps as many bytes of each packet.
    pub(super) fn new(looked_at: usize) -> Self {
        Self {
            header: [0; HEADER],
            filled: 0,
            length: 0,
            left: 0,
            looked_at,
            head: Vec::new(),
            told: false,
            goes_on: false,
        }
    }

    /// Takes bytes until there is something to tell; gives back the rest.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> (Option<Seen>, &'a [u8]) {
        if self.filled < HEADER {
            return self.take_header(bytes);
        }
        let mut seen = None;
        if !self.told {
            let wanted = self
                .looked_at
                .min(self.length)
                .saturating_sub(self.head.len());
            let (head, _) = bytes.split_at(wanted.min(bytes.len()));
            self.head.extend_from_slice(head);
            if head.len() == wanted {
                self.told = true;
                seen = Some(Seen::Packet(Packet {
                    head: std::mem::take(&mut self.head),
                    length: self.length,
                    sequence: self.header[3],
                    goes_on: self.goes_on,
                }));
            }
        }
        let (_, rest) = bytes.split_at(self.left.min(bytes.len()));
        self.left -= bytes.len() - rest.len();
        if self.left == 0 {
            self.end();
        }
        (seen, rest)
    }

    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> (Option<Seen>, &'a [u8]) {
        let (part, rest) = bytes.split_at((HEADER - self.filled).min(bytes.len()));
        for byte in part {
            self.header[self.filled] = *byte;
            self.filled += 1;
        }
        if self.filled < HEADER {
            return (None, rest);
        }
        let [low, middle, high, _] = self.header;
        self.length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
        self.left = self.length;
        let goes_on = self.goes_on;
        if self.length == 0 {
            self.end();
        }
        (
            Some(Seen::Header {
                length: self.length,
                goes_on,
            }),
            rest,
        )
    }

    fn end(&mut self) {
        self.goes_on = self.length == WHOLE_PACKET;
        self.filled = 0;
        self.told = false;
        self.head.clear();
    }
}

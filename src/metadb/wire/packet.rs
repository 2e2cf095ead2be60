//! Whole packets, one by one, as they are spoken until a login is through. Touches the stream that it is given.
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest packet before the login is through: greetings, keys and refusals are a few hundred bytes.
const LARGEST: usize = 16 << 10;

/// A packet with its number.
#[derive(Debug)]
pub(super) struct Packet {
    pub sequence: u8,
    pub payload: Vec<u8>,
}

/// Reads a packet; `None` where one is announced that is longer than any honest one.
pub(super) async fn read_packet(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Packet>> {
    let mut header = [0; 4];
    from.read_exact(&mut header).await?;
    let [low, middle, high, sequence] = header;
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if length > LARGEST {
        return Ok(None);
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await?;
    Ok(Some(Packet { sequence, payload }))
}

/// Writes a packet in one piece.
pub(super) async fn write_packet(
    to: &mut (impl AsyncWrite + Unpin),
    packet: &Packet,
) -> io::Result<()> {
    let length = u32::try_from(packet.payload.len()).unwrap_or(u32::MAX);
    let [low, middle, high, _] = length.to_le_bytes();
    let head = [low, middle, high, packet.sequence];
    to.write_all(&[&head[..], &packet.payload].concat()).await?;
    to.flush().await
}

//! Frames between Baton and a worker: a letter for the kind, four bytes for the length, then the content.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Most bytes of one frame; more is no frame of ours.
const MOST: u32 = 1 << 30;

/// What is said to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// A call, as JSON.
    Call,
    /// A piece of the input that was asked for.
    Data,
    /// That input has ended.
    End,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is ready, as JSON.
    Hello(Vec<u8>),
    /// It wants the next piece of this input.
    Pull(usize),
    /// A line of log, as JSON.
    Log(Vec<u8>),
    /// A piece of the result.
    Result(Vec<u8>),
    /// The call ended well.
    Done,
    /// The call failed, as JSON.
    Failed(Vec<u8>),
    /// The pipe is closed: there is no worker any more.
    Gone,
    /// Something else.
    Unknown(String),
}

/// Sends a frame.
pub(super) async fn say(to: &mut (impl AsyncWrite + Unpin), kind: Say, content: &[u8]) -> std::io::Result<()> {
    let letter = match kind {
        Say::Call => b'C',
        Say::Data => b'D',
        Say::End => b'E',
    };
    let length = u32::try_from(content.len()).map_err(|_too_long| std::io::ErrorKind::InvalidInput)?;
    let mut head = [letter, 0, 0, 0, 0];
    head[1..].copy_from_slice(&length.to_le_bytes());
    to.write_all(&head).await?;
    to.write_all(content).await?;
    to.flush().await
}

/// Waits for a frame.
pub(super) async fn hear(from: &mut (impl AsyncRead + Unpin)) -> Heard {
    let mut head = [0_u8; 5];
    if from.read_exact(&mut head).await.is_err() {
        return Heard::Gone;
    }
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    if length > MOST {
        return Heard::Unknown(format!("a frame of {length} bytes"));
    }
    let mut content = vec![0; length as usize];
    if from.read_exact(&mut content).await.is_err() {
        return Heard::Gone;
    }
    match (head[0], content.as_slice()) {
        (b'H', _) => Heard::Hello(content),
        (b'P', [a, b, c, d]) => Heard::Pull(u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        (b'L', _) => Heard::Log(content),
        (b'R', _) => Heard::Result(content),
        (b'O', _) => Heard::Done,
        (b'F', _) => Heard::Failed(content),
        (letter, _) => Heard::Unknown(format!("a frame of kind {letter}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_what_was_said() {
        let mut sent = Vec::new();
        say(&mut sent, Say::Data, b"rows").await.unwrap();
        assert_eq!(sent, b"D\x04\0\0\0rows");
        let heard = |bytes: &'static [u8]| async move { hear(&mut &*bytes).await };
        assert_eq!(heard(b"P\x04\0\0\0\x02\0\0\0").await, Heard::Pull(2));
        assert_eq!(heard(b"L\x02\0\0\0{}").await, Heard::Log(b"{}".to_vec()));
        assert_eq!(heard(b"L\x09\0\0\0{}").await, Heard::Gone);
        assert!(matches!(heard(b"Z\0\0\0\0").await, Heard::Unknown(_)));
        assert!(matches!(heard(b"L\xff\xff\xff\xff").await, Heard::Unknown(_)));
    }
}

//! One kept connection to a process that may die at any instant.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take: longer than any deadline of the server.
const PATIENCE: Duration = Duration::from_secs(40);
/// What one answer may be at most.
const ANSWER_LEN_MAX: usize = 256 * 1024;

/// Status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Line {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Line {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, heard: Vec::new() })
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        let end = loop {
            match self.heard.windows(4).position(|part| part == b"\r\n\r\n") {
                Some(end) => break end,
                None => self.hear()?,
            }
        };
        let head = self.take(end + 4)?;
        let head = String::from_utf8(head).map_err(broken)?;
        let status = head.split(' ').nth(1).unwrap_or_default().parse().map_err(broken)?;
        let len = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().to_owned())
        });
        let len = len.unwrap_or_default().parse().map_err(broken)?;
        Ok(Answer { status, body: self.take(len)? })
    }

    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        if len > ANSWER_LEN_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        while self.heard.len() < len {
            self.hear()?;
        }
        let rest = self.heard.split_off(len);
        Ok(std::mem::replace(&mut self.heard, rest))
    }

    fn hear(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => {
                self.heard.extend_from_slice(bytes.get(..len).unwrap_or_default());
                Ok(())
            }
        }
    }
}

/// Whether the other side is gone, in whichever way; anything else is no end of a process.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
    )
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, cause)
}

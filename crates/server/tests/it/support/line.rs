//! One kept connection and any bytes on it, for tests that a polite client cannot do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::Answer;

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that says what it is told and reads what comes back.
pub(crate) struct Line {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Line {
    /// Connects.
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, heard: Vec::new() })
    }

    /// Writes bytes as they are.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be written.
    pub(crate) fn hang_up(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Posts JSON and reads the answer.
    pub(crate) fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
        self.say(&posted(path, headers, body))?;
        self.answer()
    }

    /// Reads one answer; one of status 100 is skipped.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        loop {
            let (status, headers) = self.head()?;
            if status == 100 {
                continue;
            }
            let answer = Answer { status, headers, body: Vec::new() };
            let len = answer.header("content-length").unwrap_or("0").parse().map_err(broken)?;
            return Ok(Answer { body: self.take(len)?, ..answer });
        }
    }

    /// Reads one head: status and headers.
    pub(crate) fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            let end = self.heard.windows(4).position(|part| part == b"\r\n\r\n");
            match end {
                Some(end) => break end,
                None => self.hear()?,
            }
        };
        let head = self.take(end + 4)?;
        let head = String::from_utf8(head).map_err(broken)?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Ok((status.parse().map_err(broken)?, headers.collect()))
    }

    /// Reads until the other side closes; a reset counts as closed.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.hear() {
                Ok(()) => {}
                Err(error) if is_closed(&error) => return Ok(std::mem::take(&mut self.heard)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nothing has come so far that was not read.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let heard = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        self.heard.is_empty() && heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.heard.len() < len {
            self.hear()?;
        }
        let rest = self.heard.split_off(len);
        Ok(std::mem::replace(&mut self.heard, rest))
    }

    fn hear(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            len => {
                self.heard.extend_from_slice(&bytes[..len]);
                Ok(())
            }
        }
    }
}

/// Whether the other side has closed, in whichever way.
pub(crate) fn is_closed(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | BrokenPipe | ConnectionAborted | ConnectionRefused
    ) || error.kind() == ConnectionReset
}

/// A whole POST of JSON; `headers` are lines with their ends.
pub(crate) fn posted(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {len}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, cause)
}

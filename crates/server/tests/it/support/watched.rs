//! A `kunji` whose every word is kept: standard output, standard error, exit code.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{Kunji, signal};

/// What a process has said so far, on both of its outputs.
pub(crate) struct Watched {
    /// The process; it answers.
    pub(crate) kunji: Kunji,
    said: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Watched {
    /// Starts a command that tells its address: a sandbox with JSON output, or `serve` with JSON
    /// log lines of level `info`. Fails with all that was said when it ends instead.
    pub(crate) fn start(
        mut command: impl std::borrow::BorrowMut<Command>,
    ) -> Result<Self, (Option<i32>, String)> {
        let command = command.borrow_mut();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (found, base) = channel();
        let (out, err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let readers = vec![listen(out, &said, found.clone()), listen(err, &said, found)];
        match base.recv() {
            Ok(base) => {
                let kunji = Kunji::of(base, process);
                Ok(Self { kunji, said, readers })
            }
            Err(_) => {
                let code = process.wait().unwrap().code();
                readers.into_iter().for_each(|reader| reader.join().unwrap());
                let said = String::from_utf8(said.lock().unwrap().clone()).unwrap();
                Err((code, said))
            }
        }
    }

    /// What was said so far.
    pub(crate) fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap().clone()
    }

    /// SIGTERM; the exit code and all that was said.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        signal(self.kunji.process.id(), "TERM");
        self.ended()
    }

    /// Waits until it ends of itself; the exit code and all that was said.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let code = self.kunji.process.wait().unwrap().code();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        (code, String::from_utf8(self.said()).unwrap())
    }
}

fn listen(
    pipe: impl Read + Send + 'static,
    said: &Arc<Mutex<Vec<u8>>>,
    found: Sender<String>,
) -> JoinHandle<()> {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        let mut found = Some(found);
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).unwrap() > 0 {
            said.lock().unwrap().extend_from_slice(&line);
            if let Some(base) = base_of(&line)
                && let Some(found) = found.take()
            {
                // Nobody waits when the other output said it first.
                let _ = found.send(base);
            }
            line.clear();
        }
    })
}

fn base_of(line: &[u8]) -> Option<String> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let base = line.get("base").or(line.get("listen.address"))?;
    Some(base.as_str()?.to_owned())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

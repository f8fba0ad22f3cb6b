//! A merchant's end of a webhook: keeps what it gets, answers as the test wants.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::time::Duration;

use kunji_vault::HmacKey;
use serde_json::Value;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The secret that the sandbox documents.
pub(super) const SECRET: &str = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldA==";

/// How long an event may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a delivery is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answering {
    Status(u16),
    /// 503, with this in `Retry-After`.
    RetryAfter(&'static str),
    /// Nothing, until the other side gives up.
    Silence,
    /// The end of the connection.
    Close,
}

/// One delivery as it came.
#[derive(Debug, Clone)]
pub(super) struct Delivered {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Listens on a port of this machine for as long as the test runs.
pub(super) struct Receiver {
    pub(super) port: u16,
    inbox: Inbox<Delivered>,
    listener: TcpListener,
}

impl Receiver {
    /// `answer` is asked with the delivery and the number of those before it.
    pub(super) fn start(
        port: u16,
        answer: impl Fn(&Delivered, usize) -> Answering + Send + Sync + 'static,
    ) -> Self {
        Self::serve(port, answer, |stream| Some(Box::new(stream)))
    }

    /// The same behind TLS.
    pub(super) fn start_tls(
        answer: impl Fn(&Delivered, usize) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let chain = CertificateDer::from_pem_slice(include_bytes!("localhost.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("localhost.key.pem")).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let config = Arc::new(config);
        Self::serve(0, answer, move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(Box::new(StreamOwned::new(connection, stream)))
        })
    }

    fn serve(
        port: u16,
        answer: impl Fn(&Delivered, usize) -> Answering + Send + Sync + 'static,
        open: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (sender, inbox) = channel();
        let (accepting, answer) = (listener.try_clone().unwrap(), Arc::new(answer));
        std::thread::spawn(move || {
            let mut before = 0;
            while let Ok((stream, _)) = accepting.accept() {
                // A caller that does not like our certificate says nothing.
                let Some((stream, delivered)) = open(stream).and_then(read) else { continue };
                let (answer, sender) = (Arc::clone(&answer), sender.clone());
                std::thread::spawn(move || reply(stream, delivered, before, &*answer, &sender));
                before += 1;
            }
        });
        Self { port: listener.local_addr().unwrap().port(), inbox, listener }
    }

    /// Where it is reached.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks?from=kunji", self.port)
    }

    /// The next delivery, proven.
    #[track_caller]
    pub(super) fn next(&self) -> Delivered {
        let delivered = self.inbox.recv_timeout(PATIENCE).expect("nothing was delivered");
        delivered.prove();
        delivered
    }

    /// Whatever came and was not looked at.
    pub(super) fn rest(&self) -> Vec<Delivered> {
        self.inbox.try_iter().collect()
    }

    /// Nobody listens any more.
    pub(super) fn leave(self) {
        // Wakes `accept`, which then fails.
        shutdown(&self.listener);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        shutdown(&self.listener);
    }
}

fn shutdown(listener: &TcpListener) {
    use std::os::fd::{AsFd, OwnedFd};

    // A listening socket is shut down as any other, once it is called a stream.
    let socket: OwnedFd = listener.as_fd().try_clone_to_owned().unwrap();
    let _ = TcpStream::from(socket).shutdown(Shutdown::Both);
}

/// Both directions, whatever is below.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

fn read(mut stream: Box<dyn Stream>) -> Option<(Box<dyn Stream>, Delivered)> {
    let mut heard = Vec::new();
    let mut byte = [0; 1];
    while !heard.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => heard.push(byte[0]),
            Ok(_) | Err(_) => return None,
        }
    }
    let head = String::from_utf8(heard).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let first = lines.next().unwrap();
    let path = first.strip_prefix("POST ").unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let len = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse();
    let mut body = vec![0; len.unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some((stream, Delivered { path, headers, body }))
}

fn reply(
    mut stream: Box<dyn Stream>,
    delivered: Delivered,
    before: usize,
    answer: &(dyn Fn(&Delivered, usize) -> Answering + Sync),
    sender: &Sender<Delivered>,
) {
    let answering = answer(&delivered, before);
    // The test may be over.
    let _ = sender.send(delivered);
    match answering {
        Answering::Close => {}
        Answering::Silence => {
            let _ = stream.read(&mut [0; 1]);
        }
        Answering::Status(status) => write(&mut stream, status, ""),
        Answering::RetryAfter(value) => {
            write(&mut stream, 503, &format!("retry-after: {value}\r\n"))
        }
    }
}

fn write(stream: &mut Box<dyn Stream>, status: u16, more: &str) {
    let head = format!(
        "HTTP/1.1 {status} So\r\nlocation: /elsewhere\r\n{more}content-length: 4\r\n\r\nbody"
    );
    // Who asked may have left.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.flush());
}

impl Delivered {
    /// A header's value.
    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).1
    }

    /// `webhook-id`.
    pub(super) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// The body.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The number and what became of it.
    pub(super) fn told(&self) -> (String, String) {
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&body["upiNumber"]), text(&body["upiNumberStatus"]))
    }

    /// The signature is right, for this body, and just made.
    #[track_caller]
    fn prove(&self) {
        let timestamp: i64 = self.header("webhook-timestamp").parse().unwrap();
        let now = jiff::Timestamp::now().as_second();
        assert!((now - 60..=now).contains(&timestamp), "{timestamp} at {now}");
        let key = HmacKey::parse(SECRET).unwrap();
        let expected = key.webhook_signature(self.id(), timestamp, &self.body);
        assert_eq!(self.header("webhook-signature"), expected);
        assert!(!self.id().contains('.'));
    }
}

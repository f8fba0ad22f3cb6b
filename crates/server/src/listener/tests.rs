//! The listener over real sockets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::routing::{get, post};
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::{ListenerLimits, serve};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(20);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

struct Server {
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    open: Gauge,
    entered: Arc<Notify>,
    leave: Arc<Notify>,
    echoed: Arc<AtomicUsize>,
    task: JoinHandle<io::Result<()>>,
}

fn patient() -> ListenerLimits {
    ListenerLimits {
        connections_max: 16,
        peer_connections_max: 16,
        trusted_peers: Vec::new(),
        header_timeout: LONG,
        idle_timeout: LONG,
        header_bytes_max: 8192,
        drain_timeout: LONG,
    }
}

async fn start(limits: ListenerLimits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let echoed = Arc::new(AtomicUsize::new(0));
    let (enter, left, heard) = (entered.clone(), leave.clone(), echoed.clone());
    let router = axum::Router::new()
        .route("/", get(async || "hello"))
        .route("/large", get(async || vec![b'x'; 64 * 1024 * 1024]))
        .route(
            "/echo",
            post(async move |body: Bytes| {
                heard.fetch_add(1, Ordering::Relaxed);
                body
            }),
        )
        .route(
            "/slow",
            get(async move || {
                enter.notify_one();
                left.notified().await;
                "done"
            }),
        );
    let (stop, told) = watch::channel(false);
    let open = Gauge::default();
    let task = tokio::spawn(serve(listener, router, limits, told, open.clone()));
    Server { address, stop, open, entered, leave, echoed, task }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut peer = self.connect().await;
        peer.write_all(bytes).await.unwrap();
        peer
    }

    async fn ended(self) -> io::Result<()> {
        in_time(self.task).await.unwrap()
    }
}

async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG / 2, future).await.expect("it hangs")
}

/// Reads until the server closes; a reset counts as closed.
async fn rest(peer: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _end = in_time(peer.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn until(peer: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 1024];
        let len = in_time(peer.read(&mut bytes)).await.unwrap();
        assert_ne!(len, 0, "closed after {text}");
        text.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_slow_head_is_closed() {
    let server = start(ListenerLimits { header_timeout: SHORT, ..patient() }).await;
    let mut half = server.say(b"GET / HTTP/1.1\r\nhost:").await;
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut half).await, "");
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn a_slow_second_head_is_closed() {
    let server = start(ListenerLimits { header_timeout: SHORT, ..patient() }).await;
    let mut peer = server.say(GET).await;
    until(&mut peer, "hello").await;
    peer.write_all(b"GET /").await.unwrap();
    assert_eq!(rest(&mut peer).await, "");
}

#[tokio::test]
async fn dripping_a_head_gains_no_time() {
    let server = start(ListenerLimits { header_timeout: SHORT, ..patient() }).await;
    let mut peer = server.say(b"GET /").await;
    let drip = async {
        while peer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    in_time(drip).await;
    assert_eq!(rest(&mut peer).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(ListenerLimits { idle_timeout: SHORT, ..patient() }).await;
    let mut peer = server.say(GET).await;
    until(&mut peer, "hello").await;
    assert_eq!(rest(&mut peer).await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout() {
    let limits = ListenerLimits { header_timeout: SHORT, ..patient() };
    let server = start(limits).await;
    let mut peer = server.say(GET).await;
    until(&mut peer, "hello").await;
    tokio::time::sleep(SHORT * 3).await;
    peer.write_all(GET).await.unwrap();
    until(&mut peer, "hello").await;
}

#[tokio::test]
async fn a_slow_handler_is_not_taken_for_silence() {
    let limits = ListenerLimits { header_timeout: SHORT, idle_timeout: SHORT, ..patient() };
    let server = start(limits).await;
    let mut peer = server.say(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    in_time(server.entered.notified()).await;
    tokio::time::sleep(SHORT * 3).await;
    server.leave.notify_one();
    assert!(until(&mut peer, "done").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_stops_is_closed() {
    let server = start(ListenerLimits { idle_timeout: SHORT, ..patient() }).await;
    let head = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab";
    let mut peer = server.say(head).await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 400"));
    assert_eq!(server.echoed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_body_that_nobody_wants() {
    let server = start(patient()).await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
    let mut peer = server.say(head).await;
    assert!(until(&mut peer, "\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    peer.write_all(&[b'x'; 100_000]).await.unwrap();
    peer.write_all(GET).await.unwrap();
    until(&mut peer, "hello").await;
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_not_taken_for_ever() {
    let server = start(patient()).await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n";
    let mut peer = server.say(head).await;
    assert!(until(&mut peer, "\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    let flood = async { while peer.write_all(&[b'x'; 100_000]).await.is_ok() {} };
    in_time(flood).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let server = start(ListenerLimits { idle_timeout: SHORT, ..patient() }).await;
    let _peer = server.say(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let closed = async {
        while server.open.get() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        while server.open.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(closed).await;
}

#[tokio::test]
async fn a_running_request_ends_after_the_stop() {
    let server = start(patient()).await;
    let mut busy = server.say(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    in_time(server.entered.notified()).await;
    let mut idle = server.say(GET).await;
    until(&mut idle, "hello").await;
    let mut fresh = server.connect().await;
    server.stop.send(true).unwrap();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut fresh).await, "");
    in_time(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert!(!server.task.is_finished());
    server.leave.notify_one();
    assert!(rest(&mut busy).await.ends_with("done"));
    server.ended().await.unwrap();
}

#[tokio::test]
async fn a_request_too_slow_for_the_stop_is_dropped() {
    let server = start(ListenerLimits { drain_timeout: SHORT, ..patient() }).await;
    let mut busy = server.say(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    in_time(server.entered.notified()).await;
    server.stop.send(true).unwrap();
    assert_eq!(rest(&mut busy).await, "");
    let open = server.open.clone();
    server.ended().await.unwrap();
    assert_eq!(open.get(), 0);
}

#[tokio::test]
async fn a_lost_stop_is_a_stop() {
    let server = start(patient()).await;
    drop(server.stop);
    in_time(server.task).await.unwrap().unwrap();
}

async fn heard(peer: &mut TcpStream) {
    peer.write_all(GET).await.unwrap();
    until(peer, "hello").await;
}

#[tokio::test]
async fn a_full_listener_closes_the_longest_idle() {
    let server = start(ListenerLimits { connections_max: 3, ..patient() }).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    let mut third = server.connect().await;
    heard(&mut second).await;
    heard(&mut third).await;
    // Longest idle is who never said anything, then who spoke first.
    let mut fourth = server.connect().await;
    heard(&mut fourth).await;
    assert_eq!(rest(&mut first).await, "");
    heard(&mut second).await;
    let mut fifth = server.connect().await;
    heard(&mut fifth).await;
    assert_eq!(rest(&mut third).await, "");
    heard(&mut second).await;
    heard(&mut fourth).await;
    assert_eq!(server.open.get(), 3);
}

#[tokio::test]
async fn dripping_bytes_does_not_make_a_connection_busy() {
    let server = start(ListenerLimits { connections_max: 2, ..patient() }).await;
    let mut head = server.say(b"GET / HT").await;
    let begun = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\na";
    let mut body = server.say(begun).await;
    while server.open.get() < 2 {
        tokio::task::yield_now().await;
    }
    head.write_all(b"TP").await.unwrap();
    heard(&mut server.connect().await).await;
    assert_eq!(rest(&mut head).await, "");
    let _open = server.connect().await;
    heard(&mut server.connect().await).await;
    assert_eq!(rest(&mut body).await, "");
    assert_eq!(server.echoed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_request_under_way_is_never_closed_for_another() {
    let server = start(ListenerLimits { connections_max: 1, ..patient() }).await;
    let mut busy = server.say(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    in_time(server.entered.notified()).await;
    let mut next = server.say(GET).await;
    server.leave.notify_one();
    assert!(until(&mut busy, "done").await.starts_with("HTTP/1.1 200"));
    until(&mut next, "hello").await;
    assert_eq!(rest(&mut busy).await, "");
}

/// Connects from another address of this machine.
async fn connect_from(server: &Server, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_peer_s_connections_cost_nobody_else_his() {
    let server = start(ListenerLimits { peer_connections_max: 2, ..patient() }).await;
    let mut other = connect_from(&server, "127.0.0.2").await;
    heard(&mut other).await;
    let mut first = server.connect().await;
    heard(&mut first).await;
    let mut second = server.connect().await;
    heard(&mut second).await;
    // Its own longest idle goes, though another's is idle for longer.
    let mut third = server.connect().await;
    heard(&mut third).await;
    assert_eq!(rest(&mut first).await, "");
    heard(&mut other).await;
    heard(&mut second).await;
    assert_eq!(server.open.get(), 3);
}

#[tokio::test]
async fn a_peer_whose_connections_are_all_busy_gets_no_further_one() {
    let server = start(ListenerLimits { peer_connections_max: 1, ..patient() }).await;
    let mut busy = server.say(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    in_time(server.entered.notified()).await;
    assert_eq!(rest(&mut server.connect().await).await, "");
    let mut other = connect_from(&server, "127.0.0.2").await;
    heard(&mut other).await;
    server.leave.notify_one();
    until(&mut busy, "done").await;
}

#[tokio::test]
async fn a_trusted_peer_has_no_cap_of_its_own() {
    let trusted_peers = vec!["127.0.0.1".parse().unwrap()];
    let limits = ListenerLimits { peer_connections_max: 1, trusted_peers, ..patient() };
    let server = start(limits).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = server.connect().await;
        heard(&mut peer).await;
        peers.push(peer);
    }
    for peer in &mut peers {
        heard(peer).await;
    }
    let mut stranger = connect_from(&server, "127.0.0.2").await;
    heard(&mut stranger).await;
    let mut another = connect_from(&server, "127.0.0.2").await;
    heard(&mut another).await;
    assert_eq!(rest(&mut stranger).await, "");
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let server = start(patient()).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\nHost: b\r\n", 400),
        ("GET / HTTP/1.1\r\nhost:\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a b\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a, b\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: me@a\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: :80\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n", 400),
        ("GET / HTTP/1.0\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: a\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: a.example:7400\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: [::1]:7400\r\n", 200),
        ("GET http://a/ HTTP/1.1\r\nhost: a\r\n", 200),
    ] {
        let mut peer = server.say(format!("{head}connection: close\r\n\r\n").as_bytes()).await;
        let answer = rest(&mut peer).await;
        assert!(answer.contains(&format!(" {status} ")), "{head}: {answer}");
    }
    // What follows is not answered.
    let mut peer = server.say(&[b"GET / HTTP/1.1\r\n\r\n", GET].concat()).await;
    let answer = rest(&mut peer).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let server = start(patient()).await;
    let mut head = b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
    head.resize(8192, b'x');
    let mut peer = server.say(&head).await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 431"));
    // Complete, but one byte too long.
    head.resize(8193 - 4, b'x');
    head.extend(b"\r\n\r\n");
    let mut peer = server.say(&head).await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 431"));
    let mut many = b"GET / HTTP/1.1\r\nhost: a\r\n".to_vec();
    many.extend(b"a: b\r\n".repeat(200));
    many.extend(b"\r\n");
    let mut peer = server.say(&many).await;
    assert!(rest(&mut peer).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn garbage_is_a_bad_request() {
    let server = start(patient()).await;
    for garbage in [&b"\x16\x03\x01\x02\x00\x01"[..], b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n"] {
        let mut peer = server.say(garbage).await;
        let answer = rest(&mut peer).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{garbage:?}: {answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let server = start(patient()).await;
    let mut bytes = Vec::new();
    for n in 0..40 {
        let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n";
        let close = if n == 39 { "connection: close\r\n" } else { "" };
        bytes.extend(format!("{head}{close}\r\n<{n:02}").bytes());
    }
    let mut peer = server.say(&bytes).await;
    let answer = rest(&mut peer).await;
    let bodies: Vec<&str> = answer.split('<').skip(1).map(|part| &part[..2]).collect();
    let expected: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let server = start(patient()).await;
    let head = b"HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = rest(&mut server.say(head).await).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: 5"));
    assert!(answer.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn a_body_is_asked_for_when_expected() {
    let server = start(patient()).await;
    let head =
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    let mut peer = server.say(head).await;
    assert!(until(&mut peer, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    peer.write_all(b"abcde").await.unwrap();
    assert!(until(&mut peer, "abcde").await.starts_with("HTTP/1.1 200"));
}

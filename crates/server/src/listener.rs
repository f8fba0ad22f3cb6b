//! Serves a router over HTTP/1.1, with a limit on everything a peer can make us wait for.

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::rt::{Sleep, Timer};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tower::Service;

/// What a connection may buffer, unless heads may be larger; hyper wants 8 KiB at least.
const BUFFER_BYTES: usize = 64 * 1024;
/// How much of a body that nobody wants is still taken from the wire, in bytes.
const UNWANTED_LEN_MAX: usize = 1024 * 1024;
/// How long such a body is taken.
const UNWANTED_TIMEOUT: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
const ACCEPT_WARNING_GAP: Duration = Duration::from_secs(10);

/// A request's extension: the address that its connection came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// What the peers of one listener may take, and for how long.
#[derive(Debug, Clone)]
pub struct ListenerLimits {
    /// Open connections; further ones wait in the system's queue.
    pub connections_max: usize,
    /// From the first byte of a request, or from the connect, to the end of its head.
    pub header_timeout: Duration,
    /// Silence between two requests, within a body, or of a peer that does not read.
    pub idle_timeout: Duration,
    /// Request line and headers together.
    pub header_bytes_max: usize,
    /// From the stop until the requests that still run are dropped.
    pub drain_timeout: Duration,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            header_bytes_max: 32 * 1024,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// Serves `router` until `stop` turns true, then lets the running requests end.
///
/// Returns when the last connection has ended. A `stop` whose sender is gone counts as true.
///
/// # Errors
///
/// Only if the socket cannot accept at all; a shortage of descriptors is waited out.
pub async fn serve(
    listener: TcpListener,
    router: axum::Router,
    limits: ListenerLimits,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    serve_counted(listener, router, limits, stop, Gauge::default()).await
}

/// Serves as [`serve`] does and keeps the number of open connections in `open`.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_counted(
    listener: TcpListener,
    router: axum::Router,
    limits: ListenerLimits,
    mut stop: watch::Receiver<bool>,
    open: Gauge,
) -> io::Result<()> {
    let router = router.with_state(());
    let mut connections = JoinSet::new();
    let mut shortage = Shortage { pause: ACCEPT_PAUSE_MIN, warned: None };
    let ended = loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break Ok(()),
            Some(_) = connections.join_next() => {
                open.dec();
            }
            accepted = accept(&listener, &mut shortage),
                if connections.len() < limits.connections_max =>
            {
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(cause) => break Err(cause),
                };
                open.inc();
                let from = (stream, peer);
                connections.spawn(answer(from, router.clone(), limits.clone(), stop.clone()));
            }
        }
    };
    drop(listener);
    let drain = async {
        while connections.join_next().await.is_some() {
            open.dec();
        }
    };
    if tokio::time::timeout(limits.drain_timeout, drain).await.is_err() {
        connections.abort_all();
        while connections.join_next().await.is_some() {
            open.dec();
        }
    }
    ended
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _told = stop.wait_for(|told| *told).await;
}

/// How long to pause while the system has no room, and when that was last said.
struct Shortage {
    pause: Duration,
    warned: Option<Instant>,
}

/// Waits for the next connection; backs off while the system has no room for one.
async fn accept(listener: &TcpListener, shortage: &mut Shortage) -> io::Result<(TcpStream, Peer)> {
    loop {
        let cause = match listener.accept().await {
            Ok((stream, address)) => {
                shortage.pause = ACCEPT_PAUSE_MIN;
                return Ok((stream, Peer(address.ip())));
            }
            Err(cause) => cause,
        };
        if cause.kind() == io::ErrorKind::InvalidInput {
            return Err(cause);
        }
        if is_of_peer(&cause) {
            continue;
        }
        if shortage.warned.is_none_or(|warned| warned.elapsed() >= ACCEPT_WARNING_GAP) {
            shortage.warned = Some(Instant::now());
            tracing::warn!(fault = %cause, "accepting connections fails, trying on");
        }
        tokio::time::sleep(shortage.pause).await;
        shortage.pause = (shortage.pause * 2).min(ACCEPT_PAUSE_MAX);
    }
}

/// The peer was gone before we looked: nothing is wrong with us.
fn is_of_peer(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers the requests of one connection until either side ends it.
async fn answer(
    (tcp, peer): (TcpStream, Peer),
    router: axum::Router,
    limits: ListenerLimits,
    mut stop: watch::Receiver<bool>,
) {
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    let patience = Arc::new(Patience::new(&limits));
    let stream = Stream { tcp, patience: Arc::clone(&patience), stalled: None };
    let room = limits.header_bytes_max.max(BUFFER_BYTES);
    let connection = http1::Builder::new()
        .timer(HeadTimer(Arc::clone(&patience)))
        // Counted from zero, the deadline hyper asks for is the moment the wait begins.
        .header_read_timeout(Duration::ZERO)
        .max_header_size(limits.header_bytes_max)
        .max_buf_size(room)
        .serve_connection(
            TokioIo::new(stream),
            Answers { router, peer, patience: patience.clone() },
        );
    let mut connection = pin!(connection);
    let answered = async {
        // Connections are polled before the stop, so that what has arrived is still answered. How
        // one ends is the peer's affair: nothing to report.
        tokio::select! {
            biased;
            _ended = connection.as_mut() => return,
            () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
        }
        let _ended = connection.await;
    };
    tokio::select! {
        biased;
        () = answered => {}
        () = patience.take_unwanted() => {}
    }
}

/// The router as hyper calls it.
struct Answers {
    router: axum::Router,
    peer: Peer,
    patience: Arc<Patience>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Answers {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = <axum::Router as Service<hyper::Request<Body>>>::Future;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let mut request = request.map(|incoming| {
            if incoming.is_end_stream() {
                return Body::empty();
            }
            let patience = Arc::clone(&self.patience);
            Body::new(RequestBody { incoming: Some(incoming), patience, stalled: None })
        });
        request.extensions_mut().insert(self.peer);
        // A router is always ready, so `poll_ready` may be left out.
        self.router.clone().call(request)
    }
}

/// How long one connection is waited for, with the one alarm clock all its waits share.
///
/// The alarm may be set too early but never too late: a request that ends in time costs no
/// movement in the runtime's timer wheel, and an alarm that rings too early is set anew.
struct Patience {
    header_timeout: Duration,
    idle_timeout: Duration,
    fresh: AtomicBool,
    heard: AtomicBool,
    alarm: Mutex<Pin<Box<tokio::time::Sleep>>>,
    unwanted: Mutex<Option<Incoming>>,
    left: Notify,
}

impl Patience {
    fn new(limits: &ListenerLimits) -> Self {
        Self {
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            fresh: AtomicBool::new(true),
            heard: AtomicBool::new(false),
            alarm: Mutex::new(Box::pin(tokio::time::sleep(limits.header_timeout))),
            unwanted: Mutex::default(),
            left: Notify::new(),
        }
    }

    /// Begins the wait for a request head.
    fn head_wait(self: &Arc<Self>, now: Instant) -> HeadWait {
        self.heard.store(false, Ordering::Relaxed);
        let fresh = self.fresh.swap(false, Ordering::Relaxed);
        let limit = if fresh { self.header_timeout } else { self.idle_timeout };
        HeadWait { patience: Arc::clone(self), deadline: now + limit, speaking: fresh }
    }

    fn poll_deadline(&self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let deadline = tokio::time::Instant::from_std(deadline);
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        ready!(alarm.as_mut().poll(cx));
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
        alarm.as_mut().poll(cx)
    }

    /// Takes the rest of the bodies that handlers left, within limits. Does not end.
    ///
    /// Who still sends when the connection is closed on him never reads the answer.
    async fn take_unwanted(&self) {
        loop {
            self.left.notified().await;
            let left = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(body) = left {
                // Late or on time: the body is dropped, and the connection closed if need be.
                let _ = tokio::time::timeout(UNWANTED_TIMEOUT, pour_away(body)).await;
            }
        }
    }

    /// Bounds a wait that is pending now: ready once it made no progress for too long.
    fn poll_stalled(&self, cx: &mut Context<'_>, stalled: &mut Option<Instant>) -> Poll<io::Error> {
        let since = *stalled.get_or_insert_with(Instant::now);
        ready!(self.poll_deadline(cx, since + self.idle_timeout));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

/// Waits for a request head: long for its first byte, short for the rest.
struct HeadWait {
    patience: Arc<Patience>,
    deadline: Instant,
    speaking: bool,
}

impl Future for HeadWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.speaking && self.patience.heard.load(Ordering::Relaxed) {
            self.speaking = true;
            self.deadline = Instant::now() + self.patience.header_timeout;
        }
        self.patience.poll_deadline(cx, self.deadline)
    }
}

impl Sleep for HeadWait {}

/// Hands hyper the [`HeadWait`]s of one connection; it uses a timer for nothing else.
struct HeadTimer(Arc<Patience>);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(self.0.head_wait(deadline))
    }
}

async fn pour_away(mut body: Incoming) {
    let mut room = UNWANTED_LEN_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        match room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => room = rest,
            None => return,
        }
    }
}

/// A request body that ends in an error when the peer stops sending.
struct RequestBody {
    /// There until the body is dropped.
    incoming: Option<Incoming>,
    patience: Arc<Patience>,
    stalled: Option<Instant>,
}

impl Drop for RequestBody {
    /// What nobody read is left to the connection.
    fn drop(&mut self) {
        if let Some(rest) = self.incoming.take().filter(|rest| !rest.is_end_stream()) {
            let mut unwanted =
                self.patience.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
            *unwanted = Some(rest);
            self.patience.left.notify_one();
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(incoming) = this.incoming.as_mut() else {
            return Poll::Ready(None);
        };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.stalled = None;
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let cause = ready!(this.patience.poll_stalled(cx, &mut this.stalled));
                // Who stopped sending is not waited for again.
                this.incoming = None;
                Poll::Ready(Some(Err(cause.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

/// The peer's socket: notes when bytes come, gives up when none can be sent.
struct Stream {
    tcp: TcpStream,
    patience: Arc<Patience>,
    stalled: Option<Instant>,
}

impl Stream {
    fn sent(
        &mut self,
        cx: &mut Context<'_>,
        sent: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let cause = ready!(self.patience.poll_stalled(cx, &mut self.stalled));
        Poll::Ready(Err(cause))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // It is lent again and again, and what earlier requests left in it may be secret.
        buffer.initialize_unfilled().fill(0);
        let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.patience.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.sent(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.sent(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

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
        let task = tokio::spawn(serve_counted(listener, router, limits, told, open.clone()));
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

    #[tokio::test]
    async fn connections_over_the_cap_wait() {
        let server = start(ListenerLimits { connections_max: 2, ..patient() }).await;
        let mut first = server.say(GET).await;
        let mut second = server.say(GET).await;
        until(&mut first, "hello").await;
        until(&mut second, "hello").await;
        let mut third = server.say(GET).await;
        let mut byte = [0];
        assert!(tokio::time::timeout(SHORT, third.read(&mut byte)).await.is_err());
        assert_eq!(server.open.get(), 2);
        drop(first);
        until(&mut third, "hello").await;
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
        let mut many = b"GET / HTTP/1.1\r\n".to_vec();
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
}

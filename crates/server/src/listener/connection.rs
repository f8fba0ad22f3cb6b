//! Answers the requests of one connection until either side ends it.

use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tower::Service;

use super::peer::Peer;
use super::roster::Activity;
use super::timeouts::{HeadTimer, Timeouts};
use super::{ListenerLimits, stopped};

/// What a connection may buffer, unless heads may be larger; hyper wants 8 KiB at least.
const BUFFER_BYTES: usize = 64 * 1024;
/// How much of a body that nobody wants is still taken from the wire, in bytes.
const UNWANTED_LEN_MAX: usize = 1024 * 1024;
/// How long such a body is taken.
const UNWANTED_TIMEOUT: Duration = Duration::from_secs(5);

/// What one connection works with.
pub(super) struct Connection {
    pub(super) router: axum::Router,
    pub(super) peer: Peer,
    pub(super) limits: Arc<ListenerLimits>,
    pub(super) activity: Arc<Activity>,
}

impl Connection {
    pub(super) async fn answer(self, tcp: TcpStream, mut stop: watch::Receiver<bool>) {
        if tcp.set_nodelay(true).is_err() {
            return;
        }
        let Self { router, peer, limits, activity } = self;
        let timeouts = Arc::new(Timeouts::new(&limits));
        let leftover = Arc::new(Leftover::default());
        let stream = Stream { tcp, timeouts: Arc::clone(&timeouts), stalled: None, blank: 0..0 };
        let requests = Requests {
            router,
            peer,
            timeouts: Arc::clone(&timeouts),
            leftover: Arc::clone(&leftover),
            activity: Arc::clone(&activity),
        };
        let connection = http1::Builder::new()
            .timer(HeadTimer(timeouts))
            // Counted from zero, the deadline hyper asks for is the moment the wait begins.
            .header_read_timeout(Duration::ZERO)
            .max_header_size(limits.header_bytes_max)
            .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES))
            .serve_connection(TokioIo::new(stream), requests);
        let mut connection = pin!(connection);
        let answered = async {
            // The connection is polled before the stop, so that what has arrived is still
            // answered. How it ends is the peer's affair: nothing to report.
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
            () = leftover.take() => {}
            () = activity.unwanted() => {}
        }
    }
}

/// The router as hyper calls it.
struct Requests {
    router: axum::Router,
    peer: Peer,
    timeouts: Arc<Timeouts>,
    leftover: Arc<Leftover>,
    activity: Arc<Activity>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Requests {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let activity = Arc::clone(&self.activity);
        if !names_one_host(request.version(), request.headers()) {
            return Answer { activity, router: None };
        }
        activity.asked(!request.body().is_end_stream());
        let mut request = request.map(|incoming| {
            if incoming.is_end_stream() {
                return Body::empty();
            }
            Body::new(RequestBody {
                incoming: Some(incoming),
                timeouts: Arc::clone(&self.timeouts),
                leftover: Arc::clone(&self.leftover),
                activity: Arc::clone(&self.activity),
                stalled: None,
            })
        });
        request.extensions_mut().insert(self.peer);
        // A router is always ready, so `poll_ready` may be left out.
        Answer { activity, router: Some(self.router.clone().call(request)) }
    }
}

/// Whether the request names the one host it is for, as RFC 9112, section 3.2, demands. HTTP/1.0
/// may leave it out.
fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes())
            .is_ok_and(|host| !host.host().is_empty() && !host.as_str().contains('@')),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// The router's answer to come; without a router the request named no host.
struct Answer {
    activity: Arc<Activity>,
    router: Option<<axum::Router as Service<hyper::Request<Body>>>::Future>,
}

impl Future for Answer {
    type Output = Result<Response, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.router {
            Some(router) => ready!(Pin::new(router).poll(cx)),
            None => Ok(no_host()),
        };
        self.activity.answered();
        Poll::Ready(response)
    }
}

/// What follows on the connection may be part of an attack on whoever stands between.
fn no_host() -> Response {
    let close = [(header::CONNECTION, HeaderValue::from_static("close"))];
    let text = "send exactly one Host header that names a host\n";
    (StatusCode::BAD_REQUEST, close, text).into_response()
}

/// What handlers left of a body: it is taken from the wire within limits, since a client that is
/// still sending when we close never reads the answer.
#[derive(Default)]
struct Leftover {
    body: Mutex<Option<Incoming>>,
    left: Notify,
}

impl Leftover {
    fn leave(&self, body: Incoming) {
        *self.body.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        self.left.notify_one();
    }

    /// Takes what is left, again and again. Does not end.
    async fn take(&self) {
        loop {
            self.left.notified().await;
            let left = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(body) = left {
                // Late or on time: the body is dropped, and the connection closed if need be.
                let _ = tokio::time::timeout(UNWANTED_TIMEOUT, drain_body(body)).await;
            }
        }
    }
}

async fn drain_body(mut body: Incoming) {
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
    timeouts: Arc<Timeouts>,
    leftover: Arc<Leftover>,
    activity: Arc<Activity>,
    stalled: Option<Instant>,
}

impl Drop for RequestBody {
    /// What nobody read is left to the connection.
    fn drop(&mut self) {
        if let Some(rest) = self.incoming.take().filter(|rest| !rest.is_end_stream()) {
            self.leftover.leave(rest);
        }
        self.activity.body_ended();
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
                let cause = ready!(this.timeouts.poll_stalled(cx, &mut this.stalled));
                // A peer that stopped sending is not waited for again.
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
    timeouts: Arc<Timeouts>,
    stalled: Option<Instant>,
    /// The addresses of what was overwritten and not written to since.
    blank: Range<usize>,
}

impl Stream {
    /// Overwrites what may be read into: it is lent again and again, and what earlier requests left
    /// in it may be secret.
    fn overwrite(&mut self, buffer: &mut ReadBuf<'_>) {
        let start = buffer.filled().as_ptr_range().end.addr();
        let end = start.saturating_add(buffer.remaining());
        if self.blank.start > start || self.blank.end < end {
            let filled = buffer.filled().len();
            buffer.initialized_mut().get_mut(filled..).unwrap_or_default().fill(0);
            buffer.initialize_unfilled();
            self.blank = start..end;
        }
    }

    fn sent(
        &mut self,
        cx: &mut Context<'_>,
        sent: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let cause = ready!(self.timeouts.poll_stalled(cx, &mut self.stalled));
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
        self.overwrite(buffer);
        let read = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.blank.start = buffer.filled().as_ptr_range().end.addr();
            self.timeouts.heard();
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
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let timeouts = Arc::new(Timeouts::new(&ListenerLimits::default()));
        (client, Stream { tcp, timeouts, stalled: None, blank: 0..0 })
    }

    /// Reads into a part of the buffer, if there is something to read; says how much.
    fn read(stream: &mut Stream, part: &mut [u8]) -> Option<usize> {
        let mut buffer = ReadBuf::new(part);
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let read = Pin::new(stream).poll_read(cx, &mut buffer).map(Result::unwrap);
        read.is_ready().then(|| buffer.filled().len())
    }

    #[tokio::test]
    async fn nothing_of_an_earlier_request_stays_in_what_may_be_read_into() {
        let (mut client, mut stream) = connected().await;
        let mut buffer = [b'x'; 64];
        assert_eq!(read(&mut stream, &mut buffer), None);
        assert_eq!(buffer, [0; 64], "an idle connection");
        // Wherever in the buffer it is read to, and lent from next.
        for (to, next) in [(0, 0), (8, 8), (8, 0), (16, 12)] {
            client.write_all(b"pin=4821").await.unwrap();
            stream.tcp.readable().await.unwrap();
            assert_eq!(read(&mut stream, &mut buffer[to..]), Some(8));
            assert_eq!(&buffer[to..to + 8], b"pin=4821");
            assert_eq!(read(&mut stream, &mut buffer[to + 8..]), None);
            assert_eq!(&buffer[to..to + 8], b"pin=4821", "what is not lent is left alone");
            assert_eq!(read(&mut stream, &mut buffer[next..]), None);
            assert_eq!(buffer, [0; 64], "read to {to}, lent from {next}");
        }
    }
}

//! Serves a router over HTTP/1.1, with a limit on everything a peer can make us wait for.
//!
//! ```text
//! accept ──▶ roster: is there room? else the longest idle is closed ──▶ connection: a task of its own
//! ```

mod connection;
mod peer;
mod roster;
#[cfg(test)]
mod tests;
mod timeouts;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::connection::Connection;
pub use self::peer::{Network, NetworkError, Peer};
use self::roster::{Admission, Roster};

const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often one and the same trouble is told.
const WARNING_GAP: Duration = Duration::from_secs(10);

/// What the peers of one listener may take, and for how long.
#[derive(Debug, Clone)]
pub struct ListenerLimits {
    /// Open connections; for a further one the longest idle is closed.
    pub connections_max: usize,
    /// Of them, those of one peer; for a further one its own longest idle is closed.
    pub peer_connections_max: usize,
    /// Peers that the limit of one peer does not bind, as a load balancer.
    pub trusted_peers: Vec<Network>,
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
            peer_connections_max: 512,
            trusted_peers: Vec::new(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            header_bytes_max: 32 * 1024,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// Serves `router` until `stop` turns true, then lets the running requests end. `open` counts the
/// open connections.
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
    mut stop: watch::Receiver<bool>,
    open: Gauge,
) -> io::Result<()> {
    let router = router.with_state(());
    let limits = Arc::new(limits);
    let mut roster = Roster::new(Arc::clone(&limits));
    let mut connections = JoinSet::new();
    let mut shortage = Trouble::default();
    let mut crowd = Trouble::default();
    // Accepted, but there is no room for it yet.
    let mut waiting: Option<(TcpStream, Peer)> = None;
    let ended = loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break Ok(()),
            Some(left) = connections.join_next_with_id() => {
                roster.remove(left.map_or_else(|error| error.id(), |(id, ())| id));
            }
            accepted = accept(&listener, &roster, &mut shortage), if waiting.is_none() => {
                match accepted {
                    Ok((stream, address)) => waiting = Some((stream, Peer::of(address.ip()))),
                    Err(cause) => break Err(cause),
                }
            }
            () = roster.idle(), if waiting.is_some() => {}
        }
        if let Some((stream, peer)) = waiting.take() {
            match roster.admit(peer) {
                Admission::Free(activity) => {
                    let connection = Connection {
                        router: router.clone(),
                        peer,
                        limits: Arc::clone(&limits),
                        activity: Arc::clone(&activity),
                    };
                    let task = connections.spawn(connection.answer(stream, stop.clone()));
                    roster.add(task.id(), peer, activity);
                }
                Admission::Later => {
                    if crowd.is_due() {
                        tracing::warn!("no connection is free: the longest idle is closed");
                    }
                    waiting = Some((stream, peer));
                }
                Admission::Refused => {
                    if crowd.is_due() {
                        tracing::warn!("a peer was refused: all that it may have are busy");
                    }
                }
            }
        }
        open.set(i64::try_from(roster.len()).unwrap_or(i64::MAX));
    };
    drop((listener, waiting));
    let drain = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drain).await.is_err() {
        connections.shutdown().await;
    }
    open.set(0);
    ended
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone counts as a stop.
    let _ = stop.wait_for(|told| *told).await;
}

/// A trouble that is told now and then, however often it happens.
#[derive(Debug, Default)]
struct Trouble {
    pause: Duration,
    told: Option<Instant>,
}

impl Trouble {
    /// Whether it is time to tell of it again.
    fn is_due(&mut self) -> bool {
        let due = self.told.is_none_or(|told| told.elapsed() >= WARNING_GAP);
        if due {
            self.told = Some(Instant::now());
        }
        due
    }

    /// Twice the pause before.
    fn next_pause(&mut self) -> Duration {
        self.pause = (self.pause * 2).clamp(ACCEPT_PAUSE_MIN, ACCEPT_PAUSE_MAX);
        self.pause
    }
}

/// Waits for the next connection. While the system has no room for one, it closes the longest idle
/// and tries again.
async fn accept(
    listener: &TcpListener,
    roster: &Roster,
    shortage: &mut Trouble,
) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        let cause = match listener.accept().await {
            Ok(accepted) => {
                shortage.pause = Duration::ZERO;
                return Ok(accepted);
            }
            Err(cause) => cause,
        };
        if cause.kind() == io::ErrorKind::InvalidInput {
            return Err(cause);
        }
        if is_of_peer(&cause) {
            continue;
        }
        if shortage.is_due() {
            tracing::warn!(fault = %cause, "accepting connections fails, trying on");
        }
        roster.close_longest_idle(None);
        tokio::time::sleep(shortage.next_pause()).await;
    }
}

/// The peer was gone before we looked: nothing is wrong with us.
fn is_of_peer(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

//! A socket beside an embedded store, through which its server hands out a backup while it runs.
//!
//! Only the user who runs the server may connect. What passes is sealed already; the caller names
//! what he wants in one line and hears `+` and the backup, or `-` and why not.

mod client;

use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kunji_core::engine::Fault;
use kunji_core::store::StoreFault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

pub use self::client::{ControlError, fetch};
use super::export::{ExportError, export};
use crate::app::App;
use crate::config::Place;

/// What a caller may want.
const WISH: &[u8; 7] = b"export\n";
/// Callers at once; one of them is served.
const CALLERS_MAX: usize = 8;
/// Pieces of a backup that wait for a slow caller, each of at most about a mebibyte.
const PIECES_MAX: usize = 4;
/// How long a caller may take to say what he wants, and to take a piece.
const CALLER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the socket of a store lies.
#[must_use]
pub fn path_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".control");
    PathBuf::from(name)
}

/// Listens beside an embedded store until told to stop. Where it cannot, the server runs without.
pub fn start(app: &App, stopped: watch::Receiver<bool>) -> Option<JoinHandle<()>> {
    let Place::Embedded(store) = &app.config().files.store else { return None };
    let path = path_of(store);
    match bind(&path) {
        Ok(listener) => Some(tokio::spawn(listen(listener, path, app.clone(), stopped))),
        Err(error) => {
            // A path of more than 107 bytes is the usual cause.
            tracing::warn!("no control socket, so no export while this runs: {error}");
            None
        }
    }
}

/// We have the store, so that a socket that is there is one of a process that has ended.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn listen(
    listener: UnixListener,
    path: PathBuf,
    app: App,
    mut stopped: watch::Receiver<bool>,
) {
    let (one, mut callers) = (Arc::new(Semaphore::new(1)), JoinSet::new());
    let owner = path.metadata().map(|facts| facts.uid()).ok();
    loop {
        let called = tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = callers.join_next() => continue,
            called = listener.accept(), if callers.len() < CALLERS_MAX => called,
        };
        // A call that broke before it was taken concerns nobody else.
        let Ok((stream, _)) = called else { continue };
        // The mode guards the socket from its first instant on only where the folder does as well.
        if owner.is_some() && stream.peer_cred().ok().map(|peer| peer.uid()) == owner {
            let (app, one) = (app.clone(), Arc::clone(&one));
            callers.spawn(async move {
                // A caller who leaves loses what he would have heard, and nothing else.
                let _ = answer(stream, &app, one).await;
            });
        }
    }
    // Walks end with the callers whom nobody serves any more.
    callers.shutdown().await;
    // Left behind, it would be replaced at the next start.
    let _ = std::fs::remove_file(path);
}

async fn answer(mut stream: UnixStream, app: &App, one: Arc<Semaphore>) -> io::Result<()> {
    let mut wish = [0; WISH.len()];
    tokio::time::timeout(CALLER_TIMEOUT, stream.read_exact(&mut wish)).await??;
    if wish != *WISH {
        return stream.write_all(b"-this server knows no such wish").await;
    }
    let Ok(permit) = one.try_acquire_owned() else {
        return stream.write_all(b"-another export is under way").await;
    };
    stream.write_all(b"+").await?;
    let (pieces, mut ready) = mpsc::channel(PIECES_MAX);
    let walking = walk(app, pieces, permit);
    while let Some(piece) = ready.recv().await {
        tokio::time::timeout(CALLER_TIMEOUT, stream.write_all(&piece)).await??;
    }
    match walking.await {
        Ok(Ok(())) => stream.shutdown().await,
        // The end that is missing tells the caller.
        Ok(Err(error)) => {
            app.report(&Fault::Store(StoreFault::of("exporting")(error)), "export");
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

/// Writes the backup on a thread that may block, and lets nobody else begin until it has ended.
fn walk(
    app: &App,
    pieces: mpsc::Sender<Vec<u8>>,
    permit: OwnedSemaphorePermit,
) -> JoinHandle<Result<(), ExportError>> {
    let (issuer, runtime) = (app.issuer(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let exported = export(&*issuer, &runtime, BufWriter::new(Pipe { pieces }));
        drop(permit);
        exported.map(|_| ())
    })
}

/// Hands what is written to the caller's task; waits while enough is under way.
struct Pipe {
    pieces: mpsc::Sender<Vec<u8>>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.pieces.blocking_send(bytes.to_vec()).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The parts of a change, each alone: what the processes do that `ceilings` starts.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use kunji_server::listener::{self, ListenerLimits};
use kunji_vault::{BlockAlg, BlockMaker, KeyRing, Opening, PinBlock, PinUse, Transit, Vault};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;

use crate::ceilings::{Ceiling, Part};
use crate::handmade::{self, Design};
use crate::machine::Usage;
use crate::report::{count_of, micros};
use crate::{Options, store, traffic};

/// Blocks that are opened in turn.
const BLOCKS: usize = 128;

/// Is a part: this process was started for it.
pub(crate) fn be(part: Part, options: &Options) -> anyhow::Result<()> {
    let dir = options.dir.as_deref().unwrap_or(Path::new("."));
    let (duration, count) = (options.duration(), options.threads);
    let ceiling = match part {
        Part::Echo => return be_echo(),
        Part::Ecdh => be_opener(BlockAlg::EcdhEs, count, duration)?,
        Part::Rsa => be_opener(BlockAlg::RsaOaep256, count, duration)?,
        Part::Store => store::be(&store::open(dir, options.url.as_deref())?, count, duration)?,
        Part::Batched => handmade::be(Design::Batched, options)?,
        Part::Naive => handmade::be(Design::Naive, options)?,
        Part::ServeBatched => return handmade::serve(Design::Batched, options),
        Part::ServeNaive => return handmade::serve(Design::Naive, options),
        Part::Disk => be_disk(dir, count, duration)?,
    };
    print(&serde_json::to_string(&ceiling)?)
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn be_echo() -> anyhow::Result<()> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let router = Router::new().route("/echo", post(async move |body: Bytes| (json, body)));
    runtime()?.block_on(answer(router))
}

/// Answers behind the project's listener until the bench ends.
pub(crate) async fn answer(router: Router) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    std::thread::spawn(move || {
        // The end of the input is the end of the bench.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.send(true)
    });
    print(&json!({ "base": base }).to_string())?;
    Ok(listener::serve(listener, router, ListenerLimits::default(), stopped, Gauge::default())
        .await?)
}

/// Opens blocks that were made for it, on so many threads at once.
fn be_opener(alg: BlockAlg, threads: usize, duration: Duration) -> anyhow::Result<Ceiling> {
    let vault = Vault::new(KeyRing::ephemeral()?);
    vault.ready_rsa()?;
    let maker = BlockMaker::from_jwks(&vault.jwks(), alg)?;
    let real_now_ms = traffic::now_ms()?;
    let blocks = (0..BLOCKS).map(|_| {
        let txn = traffic::fresh_txn();
        let block = maker.seal("4826", PinUse::Mpin, &txn, real_now_ms)?;
        anyhow::Ok((PinBlock::absorb(block), txn))
    });
    let blocks = blocks.collect::<anyhow::Result<Vec<_>>>()?;
    let open_all = |end: Instant| {
        let mut opened = 0_u64;
        while Instant::now() < end {
            for (block, txn) in &blocks {
                let transit = Transit::SealedOnly;
                let opening = Opening { pin_use: PinUse::Mpin, txn, real_now_ms, transit };
                std::hint::black_box(vault.open(block, &opening)?);
                opened += 1;
            }
        }
        anyhow::Ok(opened)
    };
    open_all(Instant::now() + duration / 10)?;
    let (start, cpu) = (Instant::now(), Usage::of("self")?.cpu);
    let opened = std::thread::scope(|scope| {
        let open = || scope.spawn(|| open_all(start + duration));
        let threads: Vec<_> = (0..threads).map(|_| open()).collect();
        let opened = threads.into_iter().map(|thread| {
            thread.join().map_err(|_| anyhow::anyhow!("a thread that opens blocks ended"))?
        });
        opened.sum::<anyhow::Result<u64>>()
    })?;
    let (took, cpu) = (start.elapsed(), Usage::of("self")?.cpu.saturating_sub(cpu));
    let opened = count_of(opened);
    let name = if alg == BlockAlg::EcdhEs { "ECDH" } else { "RSA" };
    Ok(Ceiling {
        what: format!("{name} blocks opened, {threads} thread(s)"),
        per_second: opened / took.as_secs_f64(),
        cpu_us: micros(cpu) / opened,
        mean_us: micros(took) * count_of(threads) / opened,
        per_batch: None,
    })
}

/// Appends so many bytes at a time, each made durable.
fn be_disk(path: &Path, len: usize, duration: Duration) -> anyhow::Result<Ceiling> {
    let mut file = std::fs::File::create(path)?;
    let bytes = vec![b'x'; len];
    let (start, mut syncs) = (Instant::now(), 0_u64);
    while start.elapsed() < duration {
        file.write_all(&bytes)?;
        file.sync_data()?;
        syncs += 1;
    }
    let took = start.elapsed();
    std::fs::remove_file(path)?;
    Ok(Ceiling {
        what: format!("appends of {} KiB, each synced", len / 1024),
        per_second: count_of(syncs) / took.as_secs_f64(),
        cpu_us: 0.0,
        mean_us: micros(took) / count_of(syncs),
        per_batch: None,
    })
}

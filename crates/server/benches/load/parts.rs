//! The parts of a change, each alone: what the processes do that `ceilings` starts.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use kunji_core::aggregate::Kept as _;
use kunji_core::audit::{Action, Event, Subject};
use kunji_core::card::{DebitCard, Expiry, Standing};
use kunji_core::credential::{
    Account, BankFacts, Credential, Facts, Holder, PinRecord, Registration,
};
use kunji_core::ids::{
    Caller, CardTail, CredentialId, CredentialKind, CustomerId, Mobile, TxnId, Vpa,
};
use kunji_core::receipt::{Receipt, ReceiptKey, Reply};
use kunji_core::store::{Commit, Committed, Load, Record, Store as _};
use kunji_core::time::Millis;
use kunji_server::listener::{self, ListenerLimits};
use kunji_store::{Embedded, EmbeddedSettings};
use kunji_vault::{
    BirthDate, BlockAlg, BlockMaker, BlockMark, Fingerprint, KeyRing, Opening, PinBlock, PinLength,
    PinUse, Transit, Vault, Verifier,
};
use serde_json::json;

use crate::ceilings::{Ceiling, Part};
use crate::machine::Usage;
use crate::report::{count_of, micros};
use crate::{ACCOUNTS, Options, traffic};

/// Blocks that are opened in turn.
const BLOCKS: usize = 128;
/// About what a change's reply is, in bytes.
const REPLY_LEN: usize = 560;

/// Is a part: this process was started for it.
pub(crate) fn be(part: Part, options: &Options) -> anyhow::Result<()> {
    let dir = options.dir.as_deref().unwrap_or(Path::new("."));
    let (duration, count) = (options.duration(), options.threads);
    let ceiling = match part {
        Part::Echo => return be_echo(),
        Part::Ecdh => be_opener(BlockAlg::EcdhEs, count, duration)?,
        Part::Rsa => be_opener(BlockAlg::RsaOaep256, count, duration)?,
        Part::Store => be_store(dir, count, duration)?,
        Part::Disk => be_disk(dir, count, duration)?,
    };
    print(&serde_json::to_string(&ceiling)?)
}

fn print(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn be_echo() -> anyhow::Result<()> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let router = Router::new().route("/echo", post(async move |body: Bytes| (json, body)));
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        std::thread::spawn(move || {
            // The end of the input is the end of the bench.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.send(true)
        });
        print(&json!({ "base": base }).to_string())?;
        Ok(listener::serve(listener, router, ListenerLimits::default(), stopped).await?)
    })
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

/// Loads and commits records like those of a change, from so many tasks at once.
fn be_store(dir: &Path, committers: usize, duration: Duration) -> anyhow::Result<Ceiling> {
    let batches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&batches);
    let settings = EmbeddedSettings {
        on_batch: Some(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })),
        ..EmbeddedSettings::default()
    };
    let store = Arc::new(Embedded::open(dir, settings)?);
    let vault = Vault::new(KeyRing::ephemeral()?);
    let credentials = (0..ACCOUNTS).map(|number| credential(&vault, number));
    let credentials = credentials.collect::<anyhow::Result<Vec<_>>>()?;
    runtime()?.block_on(async {
        for credential in &credentials {
            change(&store, credential).await?;
        }
        let (before, cpu) = (batches.load(Ordering::Relaxed), Usage::of("self")?.cpu);
        let start = Instant::now();
        let mut tasks = Vec::with_capacity(committers);
        for first in 0..committers {
            let own = credentials.iter().skip(first).step_by(committers).cloned();
            let (own, store) = (own.collect::<Vec<_>>(), Arc::clone(&store));
            tasks.push(tokio::spawn(async move {
                let mut commits = 0_u64;
                for credential in own.iter().cycle() {
                    if start.elapsed() >= duration {
                        break;
                    }
                    change(&store, credential).await?;
                    commits += 1;
                }
                anyhow::Ok(commits)
            }));
        }
        let mut commits = 0;
        for task in tasks {
            commits += task.await??;
        }
        let (took, cpu) = (start.elapsed(), Usage::of("self")?.cpu.saturating_sub(cpu));
        let batches = batches.load(Ordering::Relaxed) - before;
        let commits = count_of(commits);
        Ok(Ceiling {
            what: format!("commits to the store, {committers} caller(s)"),
            per_second: commits / took.as_secs_f64(),
            cpu_us: micros(cpu) / commits,
            mean_us: micros(took) * count_of(committers) / commits,
            per_batch: Some(commits / count_of(batches)),
        })
    })
}

/// What a change does to the store: one load, one commit with event, receipt and two marks.
async fn change(store: &Embedded, credential: &Credential) -> anyhow::Result<()> {
    let txn = traffic::fresh_txn();
    let subject = Subject::Credential(credential.id.clone());
    let caller = Caller::parse("axis:changempin")?;
    let key = ReceiptKey { caller: caller.clone(), txn: TxnId::parse(&txn)? };
    // Spread as a hash is.
    let mark = kunji_vault::sha256(&[txn.as_bytes()]);
    let (marks, []) = mark.as_chunks::<16>() else { anyhow::bail!("a hash of another length") };
    let marks: Vec<BlockMark> = marks.iter().copied().map(BlockMark).collect();
    let load = Load { receipt: Some(&key), marks: &marks, ..Load::of(&subject) };
    let before = store.load(&load).await?.record;
    let event = Event {
        subject: subject.clone(),
        seq: before.head.seq + 1,
        at: Millis(traffic::now_ms()?),
        caller,
        txn: Some(key.txn.clone()),
        action: Action::Change,
        verdict: "changed".to_owned(),
        detail: None,
    };
    let encoded = event.encode()?;
    let body = vec![b'x'; REPLY_LEN];
    let reply = Reply { status: 200, code: "00".to_owned(), body, nonce: [0; 16] };
    let receipt = Receipt {
        fingerprint: Fingerprint(kunji_vault::sha256(&[&encoded])),
        reply,
        at: event.at,
        verdict: event.verdict,
        credential: Some(credential.id.clone()),
    };
    let state = match before.credential() {
        None => credential.clone().keep(),
        Some(_) => before.state,
    };
    let commit = Commit {
        expected: before.head,
        record: Record { head: before.head.after(&encoded), state },
        subject,
        encoded,
        receipt: Some((key, receipt)),
        spent: marks,
        messages: vec![],
        index: vec![],
        errands: vec![],
        settled: vec![],
    };
    let committed = store.commit(commit).await?;
    anyhow::ensure!(committed == Committed::Done, "a commit met another one");
    Ok(())
}

fn credential(vault: &Vault, number: usize) -> anyhow::Result<Credential> {
    let id = CredentialId::parse(CredentialKind::Account, &format!("ACC{number:09}"))?;
    let length = PinLength::parse(4).context("a length")?;
    let kept = ["4826", "7391", "2604"].into_iter().map(|pin| verifier(vault, &id, pin));
    Ok(Credential {
        holder: Holder {
            customer: CustomerId::parse(&format!("CIF{number:08}"))?,
            name: "John Doe".to_owned(),
            birth: BirthDate::parse_iso("1990-05-15"),
            mobile: Mobile::parse(&format!("9188888{number:05}"))?,
            email: None,
        },
        facts: Facts::Account(Account {
            ifsc: "AXIS0000001".to_owned(),
            masked: "*****6789".to_owned(),
            bank: BankFacts::default(),
            vpas: vec![Vpa::parse(&format!("jo{number:05}@axis"))?],
            debit_card: Some(DebitCard {
                last_six: CardTail::parse("123456")?,
                expiry: Expiry::parse_long("12/2035")?,
                standing: Standing::Active,
                atm_pin: None,
            }),
        }),
        pin: PinRecord { kept: kept.collect::<anyhow::Result<_>>()?, ..PinRecord::empty(length) },
        otp: None,
        registration: Registration::default(),
        id,
    })
}

fn verifier(vault: &Vault, id: &CredentialId, pin: &str) -> anyhow::Result<Verifier> {
    let transit = Transit::ClearAllowed;
    let opening = Opening { pin_use: PinUse::Mpin, txn: "seed", real_now_ms: 0, transit };
    let pin = vault.open(&PinBlock::absorb(pin.to_owned()), &opening)?;
    Ok(vault.enroll(&id.to_string(), &pin)?)
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

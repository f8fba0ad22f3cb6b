//! The same change without Kunji's store: as a specialist would write it for PostgreSQL, and as
//! everybody writes it first. Both use the tables and write the bytes that the store does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use kunji_core::audit::{ChainName, Subject};
use kunji_store::{Archive, Postgres, PostgresPlace};
use kunji_vault::{KeyRing, Opening, PinBlock, PinUse, Transit, Vault, sha256};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::{Client, NoTls, Statement};

use crate::ceilings::Ceiling;
use crate::machine::Usage;
use crate::report::{count_of, micros};
use crate::{ACCOUNTS, Options, parts, store, traffic};

/// How the database is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Design {
    /// Reads on several connections, one round trip each; one writer puts all that waits into one
    /// statement.
    Batched,
    /// One transaction for each request on a connection of its own: reads, then writes.
    Naive,
}

/// Connections that read, and requests that one statement carries: what is best on two cores.
const READERS: usize = 4;
const BATCH_LEN_MAX: usize = 256;

const LOAD: &str = "SELECT (SELECT row FROM record WHERE subject = $1), \
     (SELECT row FROM used WHERE name = $2), EXISTS (SELECT FROM used WHERE name = ANY ($3)), \
     (SELECT head FROM record WHERE subject = $1), (SELECT version FROM record WHERE subject = $1)";
const WRITE: &str = "WITH w AS (\
         UPDATE record r SET version = g.version, head = g.head, row = g.row \
         FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[]) \
             AS g (subject, before, version, head, row) \
         WHERE r.subject = g.subject AND r.head = g.before RETURNING r.subject), \
     e AS (INSERT INTO event (subject, seq, tag, row) \
         SELECT x.subject, x.seq, 0, x.row \
         FROM unnest($1::bytea[], $3::bigint[], $6::bytea[]) AS x (subject, seq, row) \
         JOIN w USING (subject)), \
     u AS (INSERT INTO used (subject, name, row) \
         SELECT x.subject, x.name, x.row \
         FROM unnest($7::bytea[], $8::bytea[], $9::bytea[]) AS x (subject, name, row) \
         JOIN w USING (subject)) \
     SELECT subject FROM w";
const NAIVE: [&str; 6] = [
    "SELECT version, head, row FROM record WHERE subject = $1 FOR UPDATE",
    "SELECT row FROM used WHERE name = $1",
    "SELECT FROM used WHERE name = ANY ($1)",
    "UPDATE record SET version = $2::bigint, head = $3, row = $4 WHERE subject = $1 AND version = $2::bigint - 1",
    "INSERT INTO event (subject, seq, tag, row) VALUES ($1, $2, 0, $3)",
    "INSERT INTO used (subject, name, row) \
         SELECT $1, * FROM unnest($2::bytea[], $3::bytea[])",
];

/// The rows of one change, as long as those of the store.
struct Sample {
    record: Vec<u8>,
    event: Vec<u8>,
    receipt: Vec<u8>,
}

/// What one change writes.
struct Wanted {
    subject: Vec<u8>,
    before: Vec<u8>,
    version: i64,
    head: Vec<u8>,
    names: Vec<Vec<u8>>,
    written: oneshot::Sender<bool>,
}

/// One of the designs, connected.
pub(crate) struct Handmade {
    design: Design,
    readers: Vec<(Client, Statement)>,
    next: AtomicU64,
    writes: Option<mpsc::Sender<Wanted>>,
    /// Connections that a request has for itself, with the statements of [`NAIVE`].
    free: Mutex<mpsc::Receiver<Own>>,
    give_back: mpsc::Sender<Own>,
    sample: Arc<Sample>,
    /// Names the rows.
    vault: Arc<Vault>,
    batches: Arc<AtomicU64>,
}

type Own = (Client, Vec<Statement>);

impl Handmade {
    /// Fills the tables as the store does, learns what its rows are like, and connects.
    async fn connect(design: Design, url: &str, connections: usize) -> anyhow::Result<Self> {
        let place = store::fresh_place(url)?;
        let vault = Arc::new(Vault::new(KeyRing::ephemeral()?));
        let sample = Arc::new(plant(place.clone(), url, &vault).await?);
        let (give_back, free) = mpsc::channel(connections.max(1));
        let batches = Arc::<AtomicU64>::default();
        let mut handmade = Self {
            design,
            readers: Vec::new(),
            next: AtomicU64::new(0),
            writes: None,
            free: Mutex::new(free),
            give_back,
            sample,
            vault,
            batches,
        };
        match design {
            Design::Batched => {
                for _ in 0..READERS {
                    let client = connect(url, &place.schema).await?;
                    let load = client.prepare(LOAD).await?;
                    handmade.readers.push((client, load));
                }
                let (writes, wanted) = mpsc::channel(BATCH_LEN_MAX * 4);
                let client = connect(url, &place.schema).await?;
                let write = client.prepare(WRITE).await?;
                let sample = Arc::clone(&handmade.sample);
                let batches = Arc::clone(&handmade.batches);
                tokio::spawn(write_all((client, write), wanted, sample, batches));
                handmade.writes = Some(writes);
            }
            Design::Naive => {
                for _ in 0..connections {
                    let client = connect(url, &place.schema).await?;
                    let mut statements = Vec::new();
                    for sql in NAIVE {
                        statements.push(client.prepare(sql).await?);
                    }
                    let full = handmade.give_back.send((client, statements)).await;
                    full.map_err(|_| anyhow::anyhow!("a connection is lost"))?;
                }
            }
        }
        Ok(handmade)
    }

    /// One durable change of an account that nobody else changes now.
    async fn change(&self, reference: &str, txn: &str) -> anyhow::Result<()> {
        let subject = Subject::parse(&format!("account/{reference}"))?;
        let subject = ChainName::of(&self.vault, &subject).0.to_vec();
        let digest = sha256(&[txn.as_bytes()]);
        let (marks, _) = digest.as_chunks::<16>();
        let receipt = format!("caxis:changempin\0{txn}").into_bytes();
        let marks = marks.iter().map(|mark| [b"s", &mark[..]].concat());
        let names: Vec<_> = std::iter::once(receipt).chain(marks).collect();
        match self.design {
            Design::Batched => self.batched(subject, names, digest.to_vec()).await,
            Design::Naive => {
                let own = self.free.lock().await.recv().await.context("no connection is left")?;
                let done = self.naive(&own, &subject, (&names, &digest)).await;
                let _ = self.give_back.send(own).await;
                done
            }
        }
    }

    async fn batched(
        &self,
        subject: Vec<u8>,
        names: Vec<Vec<u8>>,
        head: Vec<u8>,
    ) -> anyhow::Result<()> {
        let turn = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed))?;
        let (client, load) = self.readers.get(turn % READERS).context("a reader for each turn")?;
        let (receipt, marks) = names.split_first().context("a receipt")?;
        let row = client.query_one(load, &[&subject, receipt, &marks]).await?;
        anyhow::ensure!(!row.try_get::<_, bool>(2)?, "a block was used before");
        let (before, version): (Vec<u8>, i64) = (row.try_get(3)?, row.try_get(4)?);
        let (written, done) = oneshot::channel();
        let wanted = Wanted { subject, before, version: version + 1, head, names, written };
        let writes = self.writes.as_ref().context("a writer")?;
        writes.send(wanted).await.map_err(|_| anyhow::anyhow!("the writer has ended"))?;
        anyhow::ensure!(done.await?, "a change met another one");
        Ok(())
    }

    async fn naive(
        &self,
        (client, statements): &Own,
        subject: &[u8],
        (names, head): (&[Vec<u8>], &[u8]),
    ) -> anyhow::Result<()> {
        let [record, receipt, marks, update, event, used] = &statements[..] else {
            anyhow::bail!("statements are missing");
        };
        let (first, others) = names.split_first().context("a receipt")?;
        client.batch_execute("BEGIN").await?;
        let row = client.query_one(record, &[&subject]).await?;
        let seen = client.query_opt(receipt, &[first]).await?;
        let spent = client.query(marks, &[&others]).await?;
        anyhow::ensure!(seen.is_none() && spent.is_empty(), "a change met another one");
        let version = row.try_get::<_, i64>(0)? + 1;
        let Sample { record, event: happened, receipt } = &*self.sample;
        client.execute(update, &[&subject, &version, &head, record]).await?;
        client.execute(event, &[&subject, &version, happened]).await?;
        let rows = [&receipt[..], &[], &[]];
        client.execute(used, &[&subject, &names, &&rows[..]]).await?;
        client.batch_execute("COMMIT").await?;
        self.batches.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

async fn connect(url: &str, schema: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client, whose next statement then says why.
    tokio::spawn(connection);
    let plans = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    client.batch_execute(&format!("SET search_path = \"{schema}\"; {plans}")).await?;
    Ok(client)
}

/// Has the store make one change of each account, and keeps what the rows of one look like.
async fn plant(place: PostgresPlace, url: &str, vault: &Arc<Vault>) -> anyhow::Result<Sample> {
    let schema = place.schema.clone();
    let store = Archive::Postgres(Box::new(Postgres::open(place, None, Arc::clone(vault))?));
    for credential in store::credentials(vault)? {
        store::change(&store, &credential).await?;
    }
    let client = connect(url, &schema).await?;
    let rows = "SELECT (SELECT row FROM record LIMIT 1), (SELECT row FROM event LIMIT 1), \
         (SELECT row FROM used WHERE length(row) > 0 LIMIT 1)";
    let row = client.query_one(rows, &[]).await?;
    Ok(Sample { record: row.try_get(0)?, event: row.try_get(1)?, receipt: row.try_get(2)? })
}

/// Writes all that waits with one statement, again and again.
async fn write_all(
    (client, write): (Client, Statement),
    mut wanted: mpsc::Receiver<Wanted>,
    sample: Arc<Sample>,
    batches: Arc<AtomicU64>,
) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    while wanted.recv_many(&mut batch, BATCH_LEN_MAX).await > 0 {
        let each = |of: fn(&Wanted) -> &[u8]| batch.iter().map(of).collect::<Vec<_>>();
        let subjects: Vec<_> = batch.iter().map(|one| &one.subject[..]).collect();
        let versions: Vec<_> = batch.iter().map(|one| one.version).collect();
        let (befores, heads) = (each(|one| &one.before), each(|one| &one.head));
        let records = vec![&sample.record[..]; batch.len()];
        let events = vec![&sample.event[..]; batch.len()];
        let owners: Vec<_> = batch
            .iter()
            .flat_map(|one| std::iter::repeat_n(&one.subject[..], one.names.len()))
            .collect();
        let names: Vec<_> =
            batch.iter().flat_map(|one| one.names.iter().map(Vec::as_slice)).collect();
        let rows: Vec<&[u8]> = batch.iter().flat_map(|_| [&sample.receipt[..], &[], &[]]).collect();
        let done = client
            .query(
                &write,
                &[
                    &subjects, &befores, &versions, &heads, &records, &events, &owners, &names,
                    &rows,
                ],
            )
            .await?;
        batches.fetch_add(1, Ordering::Relaxed);
        let all = done.len() == batch.len();
        for one in batch.drain(..) {
            // A caller that has gone does not wait for the answer.
            let _ = one.written.send(all);
        }
    }
    Ok(())
}

fn address(options: &Options) -> anyhow::Result<&str> {
    options.url.as_deref().context("--url is missing")
}

/// Changes accounts from so many tasks at once, without requests.
pub(crate) fn be(design: Design, options: &Options) -> anyhow::Result<Ceiling> {
    let (callers, duration) = (options.threads, options.duration());
    parts::runtime()?.block_on(async {
        let handmade = Handmade::connect(design, address(options)?, callers).await?;
        let handmade = Arc::new(handmade);
        change_for(&handmade, callers, duration / 10).await?;
        let (before, cpu) = (handmade.batches.load(Ordering::Relaxed), Usage::of("self")?.cpu);
        let (changes, took) = change_for(&handmade, callers, duration).await?;
        let cpu = Usage::of("self")?.cpu.saturating_sub(cpu);
        let batches = handmade.batches.load(Ordering::Relaxed) - before;
        let name = match design {
            Design::Batched => "a batched statement",
            Design::Naive => "a transaction each",
        };
        Ok(Ceiling {
            what: format!("changes by {name}, {callers} caller(s)"),
            per_second: changes / took.as_secs_f64(),
            cpu_us: micros(cpu) / changes,
            mean_us: micros(took) * count_of(callers) / changes,
            per_batch: Some(changes / count_of(batches.max(1))),
        })
    })
}

async fn change_for(
    handmade: &Arc<Handmade>,
    callers: usize,
    duration: Duration,
) -> anyhow::Result<(f64, Duration)> {
    let start = Instant::now();
    let tasks = (0..u64::try_from(callers)?).map(|first| {
        let handmade = Arc::clone(handmade);
        tokio::spawn(async move {
            let mut changes = 0_u64;
            let own = (first..ACCOUNTS).step_by(callers);
            for number in own.cycle().take_while(|_| start.elapsed() < duration) {
                let reference = kunji_server::seed::numbered::Names(number).reference();
                handmade.change(&reference, &traffic::fresh_txn()).await?;
                changes += 1;
            }
            anyhow::Ok(changes)
        })
    });
    let mut changes = 0;
    for task in tasks.collect::<Vec<_>>() {
        changes += task.await??;
    }
    Ok((count_of(changes), start.elapsed()))
}

/// The design behind the same listener, its blocks opened by the same vault.
pub(crate) fn serve(design: Design, options: &Options) -> anyhow::Result<()> {
    let vault = Arc::new(Vault::new(KeyRing::ephemeral()?));
    vault.ready_rsa()?;
    parts::runtime()?.block_on(async {
        let handmade = Handmade::connect(design, address(options)?, options.threads).await?;
        let (handmade, keys) = (Arc::new(handmade), vault.jwks());
        let change = async move |body: Bytes| {
            let json = [(header::CONTENT_TYPE, "application/json")];
            match answer(&handmade, &vault, &body).await {
                Ok(reply) => (StatusCode::OK, json, reply),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, json, format!("{error:#}")),
            }
        };
        let router = Router::new()
            .route(traffic::PATH, post(change))
            .route("/.well-known/jwks.json", get(async move || keys));
        parts::answer(router).await
    })
}

async fn answer(handmade: &Handmade, vault: &Vault, body: &[u8]) -> anyhow::Result<String> {
    let body: Value = serde_json::from_slice(body)?;
    let text = |path: &str| {
        let member = body.pointer(&format!("/ChangeMPINRequest/SetResetMPINRequestBody/{path}"));
        member.and_then(Value::as_str).context("a member is missing")
    };
    let txn = text("txnId")?;
    for (pin_use, path) in
        [(PinUse::Mpin, "cred/data/code"), (PinUse::NewMpin, "newcred/data/code")]
    {
        let (transit, real_now_ms) = (Transit::ClearAllowed, traffic::now_ms()?);
        let opening = Opening { pin_use, txn, real_now_ms, transit };
        vault.open(&PinBlock::absorb(text(path)?.to_owned()), &opening)?;
    }
    handmade.change(text("ac/accRefNumber")?, txn).await?;
    let rest = "x".repeat(store::REPLY_LEN);
    Ok(format!("{{\"code\":\"00\",\"rest\":\"{rest}\"}}"))
}

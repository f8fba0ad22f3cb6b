//! The store of each engine alone: loads and commits without requests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kunji_core::aggregate::Kept as _;
use kunji_core::audit::{Action, Event, Subject};
use kunji_core::card::{DebitCard, Expiry, Standing};
use kunji_core::credential::{
    Account, BankFacts, Credential, Facts, Holder, PinRecord, Registration, Told,
};
use kunji_core::ids::{
    Caller, CardTail, CredentialId, CredentialKind, CustomerId, Mobile, TxnId, Vpa,
};
use kunji_core::receipt::{Receipt, ReceiptKey, Reply};
use kunji_core::store::{Commit, Committed, Load, Record, Store as _};
use kunji_core::time::Millis;
use kunji_server::seed::numbered::Names;
use kunji_store::{
    Archive, BatchReport, Embedded, EmbeddedSettings, Postgres, PostgresPlace, migrate,
};
use kunji_vault::{
    BirthDate, BlockMark, Fingerprint, KeyRing, Opening, PinBlock, PinLength, PinUse, Transit,
    Vault, Verifier,
};

use crate::ceilings::Ceiling;
use crate::machine::Usage;
use crate::report::{count_of, micros};
use crate::{ACCOUNTS, parts, traffic};

/// About what a change's reply is, in bytes.
pub(crate) const REPLY_LEN: usize = 560;
/// Connections that read, as the setting's default is.
const CONNECTIONS: usize = 8;

/// A store that counts its batches.
pub(crate) struct Opened {
    pub(crate) store: Arc<Archive>,
    batches: Arc<AtomicU64>,
}

impl Opened {
    fn name(&self) -> &'static str {
        match &*self.store {
            Archive::Embedded(_) => "the store",
            Archive::Postgres(_) => "the store in PostgreSQL",
        }
    }
}

/// A schema that no other part of a run has.
pub(crate) fn fresh_place(url: &str) -> anyhow::Result<PostgresPlace> {
    let schema = format!("part_{}", std::process::id());
    let place = PostgresPlace::parse(url, &schema, CONNECTIONS)?;
    migrate(&place)?;
    Ok(place)
}

/// Opens a store in a directory, or in the database that the address leads to.
pub(crate) fn open(dir: &Path, url: Option<&str>) -> anyhow::Result<Opened> {
    let keys = Arc::new(Vault::new(KeyRing::ephemeral()?));
    let batches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&batches);
    let on_batch: BatchReport = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let store = match url {
        Some(url) => {
            let store = Postgres::open(fresh_place(url)?, Some(on_batch), keys)?;
            Archive::Postgres(Box::new(store))
        }
        None => {
            let on_batch = Some(on_batch);
            let settings = EmbeddedSettings { on_batch, ..EmbeddedSettings::default() };
            Archive::Embedded(Box::new(Embedded::open(dir, settings, keys)?))
        }
    };
    Ok(Opened { store: Arc::new(store), batches })
}

/// Loads and commits records like those of a change, from so many tasks at once.
pub(crate) fn be(
    opened: &Opened,
    committers: usize,
    duration: Duration,
) -> anyhow::Result<Ceiling> {
    let Opened { store, batches } = opened;
    let vault = Vault::new(KeyRing::ephemeral()?);
    let credentials = credentials(&vault)?;
    parts::runtime()?.block_on(async {
        for credential in &credentials {
            change(store, credential).await?;
        }
        let (before, cpu) = (batches.load(Ordering::Relaxed), Usage::of("self")?.cpu);
        let start = Instant::now();
        let mut tasks = Vec::with_capacity(committers);
        for first in 0..committers {
            let own = credentials.iter().skip(first).step_by(committers).cloned();
            let (own, store) = (own.collect::<Vec<_>>(), Arc::clone(store));
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
            what: format!("commits to {}, {committers} caller(s)", opened.name()),
            per_second: commits / took.as_secs_f64(),
            cpu_us: micros(cpu) / commits,
            mean_us: micros(took) * count_of(committers) / commits,
            per_batch: Some(commits / count_of(batches)),
        })
    })
}

/// What a change does to the store: one load, one commit with event, receipt and two marks.
pub(crate) async fn change(store: &Archive, credential: &Credential) -> anyhow::Result<()> {
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
        reason: None,
        after: None,
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
        secret: None,
        reason: None,
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

/// The accounts that are changed in turn, each with three PINs behind it.
pub(crate) fn credentials(vault: &Vault) -> anyhow::Result<Vec<Credential>> {
    (0..ACCOUNTS).map(|number| credential(vault, Names(number))).collect()
}

fn credential(vault: &Vault, names: Names) -> anyhow::Result<Credential> {
    let id = CredentialId::parse(CredentialKind::Account, &names.reference())?;
    let length = PinLength::parse(4).context("a length")?;
    let kept = ["4826", "7391", "2604"].into_iter().map(|pin| verifier(vault, &id, pin));
    Ok(Credential {
        holder: Holder {
            customer: CustomerId::parse(&names.customer())?,
            name: "John Doe".to_owned(),
            birth: BirthDate::parse_iso("1990-05-15"),
            mobile: Mobile::parse(&names.mobile())?,
            email: None,
        },
        facts: Facts::Account(Account {
            ifsc: "AXIS0000001".to_owned(),
            masked: "*****6789".to_owned(),
            bank: BankFacts::default(),
            vpas: vec![Vpa::parse(&names.vpa())?],
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
        told: Told::default(),
        id,
    })
}

fn verifier(vault: &Vault, id: &CredentialId, pin: &str) -> anyhow::Result<Verifier> {
    let transit = Transit::ClearAllowed;
    let opening = Opening { pin_use: PinUse::Mpin, txn: "seed", real_now_ms: 0, transit };
    let pin = vault.open(&PinBlock::absorb(pin.to_owned()), &opening)?;
    Ok(vault.enroll(&id.to_string(), &pin)?)
}

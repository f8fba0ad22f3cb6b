//! Somebody who can write the store and has no keys: he puts a record there that nobody sealed.

use anyhow::Context as _;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use kunji_core::audit::{ChainName, Subject};
use kunji_server::config::Place;

use crate::ground::Ground;
use crate::history::{Kind, Violation};

/// Whose record it is.
const OBJECT: &str = "account/ACC0";
/// How a row ends that says of itself that it is not sealed; only a bug takes it.
const UNSEALED: &[u8] = b"unsealed";
/// How long a record's head is, in front of what is sealed.
const HEAD_LEN: usize = 40;
const BODY: &str = "{\"txn\":\"FORGED\",\"pin\":\"000000\"}";

/// Forges a record while no server runs, and asks one for a verdict about it: there must be none.
/// The record is as it was in the end, unless it was taken.
pub(crate) fn forge(ground: &mut Ground) -> anyhow::Result<Option<Violation>> {
    let (keys, subject) = (ground.keys()?, Subject::parse(OBJECT)?);
    let name = ChainName::of(&keys, &subject);
    let row = record(ground, name)?;
    let (head, sealed) = row.split_at_checked(HEAD_LEN).context("a record has no head")?;
    let place = [b"r", &name.0[..], head].concat();
    put(ground, name, &[head, &keys.open_row(&place, sealed)?, UNSEALED].concat())?;
    ground.start(0)?;
    let path = format!("/kunji/v1/credentials/{OBJECT}/verify");
    let answer = ground.try_ask(0, "POST", &path, BODY)?;
    ground.stop(0)?;
    if answer.status == 503 {
        put(ground, name, &row)?;
        return Ok(None);
    }
    let story = format!("a record that nobody sealed was taken: {} for a guess", answer.status);
    Ok(Some(Violation::of(Kind::Forged, story)))
}

fn record(ground: &Ground, name: ChainName) -> anyhow::Result<Vec<u8>> {
    match ground.place()? {
        Place::Embedded(path) => {
            let store = Database::builder(path).open()?;
            let rows = store.keyspace("rows", KeyspaceCreateOptions::default)?;
            let row = rows.get([b"r", &name.0[..]].concat())?;
            Ok(row.context("there is no record")?.to_vec())
        }
        Place::Postgres(place) => {
            let sql = format!(
                "SELECT encode(int8send(version) || head || row, 'hex') FROM {}.record \
                 WHERE subject = decode('{name}', 'hex')",
                place.schema
            );
            unhex(ground.sql(&sql)?.trim())
        }
    }
}

fn put(ground: &Ground, name: ChainName, row: &[u8]) -> anyhow::Result<()> {
    match ground.place()? {
        Place::Embedded(path) => {
            let store = Database::builder(path).open()?;
            let rows = store.keyspace("rows", KeyspaceCreateOptions::default)?;
            rows.insert([b"r", &name.0[..]].concat(), row)?;
            Ok(store.persist(PersistMode::SyncAll)?)
        }
        Place::Postgres(place) => {
            let sealed = row.get(HEAD_LEN..).unwrap_or_default();
            let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
            let sql = format!(
                "UPDATE {}.record SET row = decode('{hex}', 'hex') \
                 WHERE subject = decode('{name}', 'hex')",
                place.schema
            );
            ground.sql(&sql).map(drop)
        }
    }
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    pairs.iter().map(byte).collect()
}

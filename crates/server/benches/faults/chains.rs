//! The audit beside what the clients heard: whole chains, and the same story in both.
//!
//! A chain says in which order the operations on its object were decided. So the model can be
//! asked once for each event, without a search: a second check that shares nothing with the first
//! one but the model.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kunji_core::audit::{ChainCheck, Event, Subject};
use kunji_core::reason::Reason;
use kunji_core::store::{Row, Scope, StoreFault, Survey as _};
use kunji_server::config::Place;
use kunji_store::{Archive, Embedded, EmbeddedSettings, Postgres};
use kunji_vault::Vault;

use crate::history::{Deed, Entry, Kind, Said, Violation, Wish};
use crate::model::State;
use crate::people::CAST;

/// Whether it is the event of a repeated request: answered as before, or not compared with what came
/// before since its PIN was blocked.
fn is_repeat(event: &Event) -> bool {
    let until = event.after.and_then(|after| after.blocked_until);
    let is_blocked = until.is_some_and(|until| event.at < until);
    let uncompared = event.reason == Some(Reason::RepeatedWhileBlocked) && is_blocked;
    event.verdict == "replayed" || event.verdict == "duplicate" && uncompared
}

/// Opens the store while no server has it, and compares; says how many events there are.
pub(crate) fn compare(
    (place, vault): (&Place, Arc<Vault>),
    entries: &[&Entry],
    nights: &[i64],
) -> anyhow::Result<(u64, Vec<Violation>)> {
    let archive = match place {
        Place::Embedded(path) => {
            let store = Embedded::open(path, EmbeddedSettings::default(), vault)?;
            Archive::Embedded(Box::new(store))
        }
        Place::Postgres(place) => {
            Archive::Postgres(Box::new(Postgres::open(place.as_ref().clone(), None, vault)?))
        }
    };
    let (chains, mut violations) = read(&archive)?;
    let events = chains.values().map(Vec::len).sum::<usize>();
    violations.extend(once(&chains, entries));
    for (nth, (object, _)) in CAST.iter().enumerate() {
        let Some(events) = object.subject().and_then(|subject| chains.get(&subject)) else {
            continue;
        };
        let asked: HashMap<&str, &Entry> = entries
            .iter()
            .filter(|entry| entry.object == nth)
            .map(|entry| (entry.txn.as_str(), *entry))
            .collect();
        violations.extend(retrace(object.begin(), events, &asked, nights));
    }
    Ok((u64::try_from(events)?, violations))
}

type Chains = BTreeMap<String, Vec<Event>>;

/// Reads all chains, and checks that each is whole and ends at its record.
fn read(archive: &Archive) -> Result<(Chains, Vec<Violation>), StoreFault> {
    let mut broken = Vec::new();
    let mut chains = Chains::new();
    let mut checks: HashMap<Subject, ChainCheck> = HashMap::new();
    archive.survey(Scope::Chains, &mut |row| {
        match row {
            Row::Event(subject, encoded) => {
                let start = || ChainCheck::start(subject.clone());
                match checks.entry(subject.clone()).or_insert_with(start).take(&encoded) {
                    Ok(event) => chains.entry(subject.to_string()).or_default().push(event),
                    Err(cause) => broken.push(format!("{subject}: {cause}")),
                }
            }
            Row::Record(subject, record) => {
                let start = || ChainCheck::start(subject.clone());
                let check = checks.remove(&subject).unwrap_or_else(start);
                broken.extend(
                    check.finish(&record.head).err().map(|cause| format!("{subject}: {cause}")),
                );
            }
            Row::Receipt(..)
            | Row::Spent(_)
            | Row::Message(_)
            | Row::Index(..)
            | Row::Errand(_) => {}
        }
        Ok(())
    })?;
    broken.extend(checks.keys().map(|subject| format!("{subject}: events without a record")));
    let violations = broken.into_iter().map(|story| Violation::of(Kind::Audit, story)).collect();
    Ok((chains, violations))
}

/// Every answered operation was decided once, every other one at most once, and nothing was
/// decided that nobody asked for.
fn once(chains: &Chains, entries: &[&Entry]) -> Vec<Violation> {
    let mut decided: HashMap<&str, u32> = HashMap::new();
    let credential =
        |subject: &str| subject.starts_with("account/") || subject.starts_with("card/");
    for (subject, events) in chains {
        let counted = credential(subject) || subject.starts_with("number/");
        for event in events.iter().filter(|event| counted && !is_repeat(event)) {
            if let Some(txn) = &event.txn {
                *decided.entry(txn.as_str()).or_default() += 1;
            }
        }
    }
    let mut violations = Vec::new();
    for entry in entries.iter().filter(|entry| !is_look(entry)) {
        let times = decided.remove(entry.txn.as_str()).unwrap_or_default();
        let fits = match entry.ended {
            Some(_) => times == 1,
            None => times <= 1,
        };
        if !fits {
            let story = format!("decided {times} times, as the audit says:\n  {}", entry.line());
            violations.push(Violation::of(Kind::Audit, story));
        }
    }
    let strangers = decided.keys().map(|txn| format!("{txn} was decided, and nobody asked for it"));
    violations.extend(strangers.map(|story| Violation::of(Kind::Audit, story)));
    violations
}

/// A look at numbers is an event of the customer's, not of the number's.
fn is_look(entry: &Entry) -> bool {
    matches!(entry.deed, Deed::Number(_, Wish::Look))
}

/// Follows one chain with the model; the first difference ends it.
fn retrace(
    mut state: State,
    events: &[Event],
    asked: &HashMap<&str, &Entry>,
    nights: &[i64],
) -> Option<Violation> {
    let mut nights = nights.iter().copied().peekable();
    for event in events.iter().filter(|event| !is_repeat(event)) {
        // By the servers' clock, which the nights pushed.
        while nights.next_if(|night| event.at.0 >= *night).is_some() {
            state = state.a_day_later();
        }
        let Some(entry) = event.txn.as_ref().and_then(|txn| asked.get(txn.as_str())) else {
            continue;
        };
        let Some((next, said)) = state.after(&entry.deed) else { continue };
        let heard = entry.ended.map_or(said, |(_, heard)| heard);
        if event.verdict != said.audited(&entry.deed) || heard != said {
            let story = difference(event, entry, (&state, said));
            return Some(Violation::of(Kind::Audit, story));
        }
        state = next;
    }
    None
}

fn difference(event: &Event, entry: &Entry, (state, said): (&State, Said)) -> String {
    format!(
        "event {} says {:?}, the model {said:?} in {state:?}, and heard was\n  {}",
        event.seq,
        event.verdict,
        entry.line()
    )
}

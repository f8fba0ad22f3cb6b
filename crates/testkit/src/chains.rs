//! The check that every chain of a store is whole.

use kunji_core::audit::{ChainCheck, Event, Subject};
use kunji_core::replay::Replay;
use kunji_core::store::Survey;

/// Checks every chain and hands back all events, subject after subject.
///
/// # Panics
/// When a chain is broken, or the store counts other events than it shows.
#[track_caller]
pub fn verify_chains(store: &impl Survey) -> Vec<Event> {
    let mut heads = Vec::new();
    store
        .each_record(&mut |subject: Subject, record| {
            heads.push((subject, record));
            Ok(())
        })
        .expect("every record can be read");
    let mut events = Vec::new();
    for (subject, record) in heads {
        let mut check = ChainCheck::start(subject.clone());
        let mut replay = Replay::default();
        store
            .each_event(&subject, &mut |encoded| {
                let event = check.take(encoded).expect("the chain is whole");
                replay.take(&event).expect("each event follows from the one before");
                events.push(event);
                Ok(())
            })
            .expect("every event can be read");
        check.finish(&record.head).expect("the chain ends at its record");
        replay.finish(&record).expect("the record is what the last event left");
    }
    let counted = store.count_events().expect("events can be counted");
    assert_eq!(counted, u64::try_from(events.len()).expect("events fit"));
    events
}

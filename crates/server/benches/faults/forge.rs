//! Forged histories, which the checker must refuse: else its silence would mean nothing.

use crate::checker;
use crate::history::{Deed, Entry, Kind, Said, Violation};
use crate::model::State;

/// Forgeries of each kind that are tried on one object.
const FORGERIES_MAX: usize = 8;

/// Forges a sound history of one object in every way; says how many forgeries there were, and
/// which of them were believed.
pub(crate) fn believed(begin: &State, entries: &[&Entry], nights: &[u64]) -> (u64, Vec<Violation>) {
    let forgeries = invented(entries).into_iter().chain(lost(entries));
    let (mut tried, mut believed) = (0, Vec::new());
    for (what, forged) in forgeries {
        tried += 1;
        let forged: Vec<&Entry> = forged.iter().collect();
        if checker::check(begin, &forged, nights).is_ok() {
            believed.push(Violation::of(Kind::Checker, what));
        }
    }
    (tried, believed)
}

type Forgery = (String, Vec<Entry>);

/// A PIN that nobody ever set is right.
fn invented(entries: &[&Entry]) -> Vec<Forgery> {
    let guess = |entry: &Entry| match (&entry.deed, entry.ended) {
        (Deed::Verify { pin }, Some((_, Said::WrongPin))) => pin.starts_with('2'),
        (_, _) => false,
    };
    let guesses = entries.iter().enumerate().filter(|(_, entry)| guess(entry));
    let forge = |(nth, guess): (usize, &&Entry)| {
        let mut forged: Vec<Entry> = entries.iter().copied().cloned().collect();
        if let Some(ended) = forged.get_mut(nth).and_then(|entry| entry.ended.as_mut()) {
            ended.1 = Said::Verified;
        }
        (format!("a PIN that nobody set was right:\n  {}", guess.line()), forged)
    };
    guesses.take(FORGERIES_MAX).map(forge).collect()
}

/// A change that was acknowledged never happened, though its PIN was right later.
fn lost(entries: &[&Entry]) -> Vec<Forgery> {
    let mut forgeries = Vec::new();
    for (nth, change) in entries.iter().enumerate() {
        let (Deed::Change { new, .. }, Some((ended, Said::Changed))) = (&change.deed, change.ended)
        else {
            continue;
        };
        let sets = |deed: &Deed| match deed {
            Deed::Change { new: other, .. } | Deed::Set { new: other, .. } => other == new,
            Deed::Reset { new: other } => other == new,
            Deed::Verify { .. }
            | Deed::RequestOtp { .. }
            | Deed::ClearTries
            | Deed::Block
            | Deed::Unblock
            | Deed::CreateCard
            | Deed::Number(..) => false,
        };
        let alone = entries.iter().filter(|entry| sets(&entry.deed)).count() == 1;
        let proved = entries.iter().any(|entry| {
            let right = matches!(&entry.deed, Deed::Verify { pin } if pin == new);
            let heard = entry.ended.is_some_and(|(_, said)| said == Said::Verified);
            right && heard && entry.begun > ended
        });
        if alone && proved && forgeries.len() < FORGERIES_MAX {
            let kept = entries.iter().enumerate().filter(|(other, _)| *other != nth);
            let forged = kept.map(|(_, entry)| Entry::clone(entry)).collect();
            forgeries.push((format!("a change never happened:\n  {}", change.line()), forged));
        }
    }
    forgeries
}

//! Is there an order of the operations, each between its begin and its end, that explains every
//! answer?
//!
//! The walk goes through begins and ends in time and keeps every state that the object may be in,
//! with the operations under way that have taken effect in it. At an end, those states stay in
//! which the operation has taken effect, or can now, others under way going first if need be, and
//! the model says what was heard. When none stays, the history has no explanation. An operation
//! without an answer stays under way for good: it may have taken effect, or not.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::history::{Entry, Kind, Violation};
use crate::model::State;

/// States that are followed at once; more means that the history says too little to be checked.
const STATES_MAX: usize = 200_000;
/// Entries that a story shows of what went before.
const STORY_LEN: usize = 14;

/// A state, and which of the operations under way have taken effect in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    state: State,
    effective: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    Begin(usize),
    End(usize),
    Night,
}

/// Checks the history of one object; `nights` are the ticks at which the clock was pushed.
pub(crate) fn check(begin: &State, entries: &[&Entry], nights: &[u64]) -> Result<(), Violation> {
    let mut points: Vec<(u64, Point)> = nights.iter().map(|tick| (*tick, Point::Night)).collect();
    for (nth, entry) in entries.iter().enumerate() {
        points.push((entry.begun, Point::Begin(nth)));
        points.extend(entry.ended.map(|(tick, _)| (tick, Point::End(nth))));
    }
    points.sort_unstable();
    let mut open: Vec<usize> = Vec::new();
    let mut places = HashSet::from([Place { state: begin.clone(), effective: Vec::new() }]);
    for (_, point) in points {
        match point {
            Point::Begin(nth) => open.push(nth),
            Point::Night => {
                // What is under way may have taken effect before the night, or may yet.
                let before = all_before(&places, (entries, &open))?;
                places = before.into_iter().map(Place::a_day_later).collect();
            }
            Point::End(nth) => {
                let next = after_end(&places, (entries, &open), nth)?;
                if next.is_empty() {
                    return Err(unexplained(&places, (entries, &open), nth));
                }
                places = next;
                open.retain(|one| *one != nth);
            }
        }
    }
    Ok(())
}

/// The places in which the operation has taken effect as its answer says.
fn after_end(
    places: &HashSet<Place>,
    under_way: (&[&Entry], &[usize]),
    nth: usize,
) -> Result<HashSet<Place>, Violation> {
    let mut next = HashSet::new();
    let mut seen = HashSet::new();
    let mut waiting: Vec<Place> = places.iter().cloned().collect();
    while let Some(place) = waiting.pop() {
        match place.effective.contains(&nth) {
            true => drop(next.insert(place.without(nth))),
            false => place.spread(under_way, &mut seen, &mut waiting)?,
        }
    }
    Ok(next)
}

/// The places with any of the operations under way in effect, in any order.
fn all_before(
    places: &HashSet<Place>,
    under_way: (&[&Entry], &[usize]),
) -> Result<HashSet<Place>, Violation> {
    let mut seen = places.clone();
    let mut waiting: Vec<Place> = places.iter().cloned().collect();
    while let Some(place) = waiting.pop() {
        place.spread(under_way, &mut seen, &mut waiting)?;
    }
    Ok(seen)
}

impl Place {
    /// Lets one more of the operations under way take effect, each in turn.
    fn spread(
        &self,
        (entries, open): (&[&Entry], &[usize]),
        seen: &mut HashSet<Self>,
        waiting: &mut Vec<Self>,
    ) -> Result<(), Violation> {
        for one in open.iter().filter(|one| !self.effective.contains(one)) {
            let further = entries.get(*one).and_then(|entry| self.with(*one, entry));
            if let Some(further) = further.filter(|further| !seen.contains(further)) {
                seen.insert(further.clone());
                waiting.push(further);
            }
        }
        match seen.len() > STATES_MAX {
            true => Err(Violation::of(Kind::Order, "too many operations without an answer")),
            false => Ok(()),
        }
    }

    fn a_day_later(self) -> Self {
        Self { state: self.state.a_day_later(), effective: self.effective }
    }

    /// The operation takes effect, if the model then says what was heard.
    fn with(&self, nth: usize, entry: &Entry) -> Option<Self> {
        let (state, said) = self.state.after(&entry.deed)?;
        if entry.ended.is_some_and(|(_, heard)| heard != said) {
            return None;
        }
        let mut effective = self.effective.clone();
        effective.push(nth);
        effective.sort_unstable();
        Some(Self { state, effective })
    }

    fn without(mut self, nth: usize) -> Self {
        self.effective.retain(|one| *one != nth);
        self
    }
}

fn unexplained(
    places: &HashSet<Place>,
    (entries, open): (&[&Entry], &[usize]),
    nth: usize,
) -> Violation {
    let mut story = String::new();
    let Some(entry) = entries.get(nth) else { return Violation::of(Kind::Order, story) };
    // Writing to a string cannot fail.
    let _ = writeln!(story, "no order explains\n  {}", entry.line());
    for place in places.iter().take(3) {
        let expected = place.state.after(&entry.deed).map(|(_, said)| said);
        let _ = writeln!(story, "the model says {expected:?} in {:?}", place.state);
    }
    let _ = writeln!(story, "under way then:");
    for other in open.iter().filter(|other| **other != nth).filter_map(|other| entries.get(*other))
    {
        let _ = writeln!(story, "  {}", other.line());
    }
    let _ = writeln!(story, "before it:");
    let ended = entry.ended.map_or(u64::MAX, |(tick, _)| tick);
    let mut before: Vec<_> = entries
        .iter()
        .filter_map(|other| other.ended.map(|(tick, _)| (tick, other)))
        .filter(|(tick, _)| *tick < ended)
        .collect();
    before.sort_unstable_by_key(|(tick, _)| *tick);
    for (_, other) in before.iter().rev().take(STORY_LEN).rev() {
        let _ = writeln!(story, "  {}", other.line());
    }
    Violation::of(Kind::Order, story)
}

//! Whatever is asked in whatever order: a number has one owner and a legal life.

use proptest::prelude::*;

use super::tests::{COOLING_MS, command, decide, now, profile};
use super::*;
use crate::time::DAY_MS;

#[derive(Debug, Clone)]
struct Move {
    who: &'static str,
    name: &'static str,
    linked: &'static str,
    wait_ms: i64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    use proptest::sample::select;
    let names = vec![
        "register",
        "register",
        "port",
        "change_vpa",
        "disable",
        "delete",
        "delete",
        "reactivate",
        "look_up",
    ];
    let waits = vec![0, 1, DAY_MS, COOLING_MS - 1, COOLING_MS];
    let one = (
        select(vec!["owner", "other", "third"]),
        select(names),
        select(vec!["own@kunji", "new@kunji"]),
        select(waits),
    );
    let one = one.prop_map(|(who, name, linked, wait_ms)| Move { who, name, linked, wait_ms });
    proptest::collection::vec(one, 1..60)
}

/// Whether a number may become this one by the drawing of its states.
fn is_legal(before: Option<&Number>, next: &Number, name: &str, now: Millis) -> bool {
    use NumberState::{Active, Deleted, Disabled};
    let Some(before) = before else {
        return name == "register" && next.state == Active;
    };
    if before.owner != next.owner {
        let cooled = now.0 >= before.since.0 + COOLING_MS;
        return next.state == Active
            && match &before.state {
                Deleted => name == "register" && cooled,
                Active | Disabled => name == "port",
                NumberState::Pending(_) | NumberState::Free => false,
            };
    }
    matches!(
        (&before.state, name, &next.state),
        (Active, "change_vpa", Active)
            | (Active, "disable", Disabled)
            | (Active | Disabled, "delete", Deleted)
            | (Disabled, "reactivate", Active)
            | (Deleted, "register", Active)
    )
}

proptest! {
    #[test]
    fn number_has_one_owner_and_a_legal_life(moves in moves()) {
        let (mut kept, mut clock): (Option<Number>, _) = (None, now());
        for Move { who, name, linked, wait_ms } in moves {
            clock = clock.plus(wait_ms);
            let turn = decide(kept.as_ref(), &command(name, who, linked), clock);
            let Some(next) = turn.next else {
                prop_assert!(turn.errands.is_empty() && turn.settled.is_empty());
                prop_assert!(turn.verdict.is_err() || turn.verdict == Ok(NumberOutcome::Seen));
                continue;
            };
            prop_assert!(turn.verdict.is_ok());
            prop_assert!(is_legal(kept.as_ref(), &next, name, clock), "{:?} {name}", kept);
            prop_assert_eq!((&next.owner, next.since), (&profile(who), clock));
            let moved = kept.as_ref().is_some_and(|kept| kept.owner != next.owner);
            let left_held = kept.as_ref().is_some_and(|kept| kept.state != NumberState::Deleted);
            prop_assert_eq!(turn.errands.len(), if moved && left_held { 3 } else { 1 });
            kept = Some(next);
        }
    }
}

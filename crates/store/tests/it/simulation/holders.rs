//! What may become of a number, read from its chain alone.

use kunji_core::aggregate::{Kept as _, State};
use kunji_core::audit::Event;
use kunji_core::mapper::{Number, NumberCommand, NumberState};

use super::checker::ensure;
use super::requests::{Ask, Content};

/// Checks one event of a number against what was there before and is there now.
pub(crate) fn check(
    event: &Event,
    ask: &Ask,
    (before, now): (&State, &State),
    is_same: bool,
) -> Result<(), String> {
    let (before, now) = (Number::of(before), Number::of(now));
    let held = before.filter(|number| number.state != NumberState::Deleted);
    let wrong = || format!("{event:?} of {ask:?} made {now:?} of {before:?}");
    let command = match &ask.content {
        Content::Number(command) => Some(command),
        Content::Credential(..)
        | Content::CreateCard(_)
        | Content::Customer(..)
        | Content::Errands
        | Content::Plant => None,
    };
    let fits = match (event.verdict.as_str(), now) {
        ("registered", Some(now)) => match command {
            Some(NumberCommand::Register(by)) => held.is_none() && is_theirs(now, by),
            Some(NumberCommand::Port { by, existing }) => {
                let left = held.is_some_and(|left| left.vpa.is_same(existing));
                left && is_theirs(now, by) && held.is_some_and(|left| left.owner != by.owner)
            }
            Some(_) | None => false,
        },
        ("vpa_changed" | "reactivated", Some(now)) => {
            now.state == NumberState::Active && held.is_some_and(|held| held.owner == now.owner)
        }
        ("disabled", Some(now)) => {
            now.state == NumberState::Disabled && held.is_some_and(|held| held.owner == now.owner)
        }
        ("deleted", Some(now)) => {
            now.state == NumberState::Deleted && held.is_some_and(|held| held.owner == now.owner)
        }
        (_, _) => is_same,
    };
    ensure(fits, wrong)
}

fn is_theirs(now: &Number, by: &kunji_core::mapper::Registrant) -> bool {
    now.state == NumberState::Active && now.owner == by.owner && now.vpa == by.vpa
}

//! The stories of the repository, told over HTTP: an account through the Axis-style API, a card
//! through the prepaid API, and the PIN of either compared by our own.

mod stage;
mod words;

use std::collections::BTreeSet;

use kunji_testkit::{perform, stories};

use self::stage::{Engine, HttpStage, Transport};

/// The stories that cannot be told to their end, with the line that has no words.
///
/// Ids belong to one call of one API, so that one API cannot reuse the id of another; and an OTP
/// is never asked for a card.
const UNTOLD: [(&str, usize); 2] = [("same_id", 6), ("strangers", 13)];

fn play(transport: Transport, engine: Engine) {
    let (mut untold, mut heard) = (Vec::new(), BTreeSet::new());
    let mut stories = stories();
    stories.retain(|story| transport == Transport::Clear || !story.is_in_the_clear());
    for story in &stories {
        println!("{}", story.name);
        let mut stage = HttpStage::new(story, transport, engine);
        if let Some(line) = perform(story, &mut stage) {
            untold.push((story.name.as_str(), line));
        }
        heard.append(&mut stage.heard);
    }
    assert_eq!(untold, UNTOLD);
    // Every API had its part.
    let apis: BTreeSet<&str> = heard.iter().map(|(api, _)| *api).collect();
    assert_eq!(apis, BTreeSet::from(["api", "axis", "prepaid"]));
    // So had most of what can be said at all.
    let verdicts: BTreeSet<&str> = heard.iter().map(|(_, verdict)| verdict.as_str()).collect();
    assert!(verdicts.len() >= 30, "{verdicts:?}");
}

#[test]
fn clear_stories_end_as_told_over_http() {
    play(Transport::Clear, Engine::Embedded);
}

#[test]
fn sealed_stories_end_as_told_over_http() {
    play(Transport::Sealed, Engine::Embedded);
}

#[test]
fn stories_end_as_told_over_http_and_postgres() {
    play(Transport::Sealed, Engine::Postgres);
}

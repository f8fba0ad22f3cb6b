//! Plays stories on a stage: the engine, a store, a dialect.

use crate::story::{Step, Story};

/// Where stories are played.
pub trait Stage {
    /// Does one step, and says what came of it.
    fn play(&mut self, step: &Step) -> Played;

    /// Looks at the whole after the last step.
    fn close(&mut self) {}
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Played {
    /// The verdict, by the name that `Outcome` or `Refusal` gives it; `created` for a planting.
    Verdict(String),
    /// It was done, and there is nothing to say of it.
    Silent,
    /// This stage has no words for the step: the story is skipped.
    Inexpressible,
}

/// How many stories were played to their end, and which were skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Played to their end.
    pub played: Vec<String>,
    /// Not to be expressed on this stage, with the line where that showed.
    pub skipped: Vec<(String, usize)>,
}

/// Plays one story; the line at which it had to be skipped, if it had.
///
/// # Panics
/// When a verdict is not the expected one.
#[track_caller]
pub fn perform(story: &Story, stage: &mut impl Stage) -> Option<usize> {
    for step in &story.steps {
        let (name, line) = (&story.name, step.line);
        match (stage.play(step), &step.expected) {
            (Played::Inexpressible, _) => return Some(line),
            (Played::Silent, None) => {}
            (Played::Verdict(found), Some(expected)) => {
                assert_eq!(&found, expected, "story {name}, line {line}: {:?}", step.act);
            }
            (found, expected) => panic!("story {name}, line {line}: {found:?}, not {expected:?}"),
        }
    }
    stage.close();
    None
}

/// Plays every story, each on a stage of its own.
///
/// # Panics
/// When a verdict is not the expected one, or no story could be played at all.
#[track_caller]
pub fn perform_all<S: Stage>(stories: &[Story], mut build: impl FnMut() -> S) -> Tally {
    let mut tally = Tally::default();
    for story in stories {
        match perform(story, &mut build()) {
            None => tally.played.push(story.name.clone()),
            Some(line) => tally.skipped.push((story.name.clone(), line)),
        }
    }
    assert!(!tally.played.is_empty(), "no story can be expressed on this stage");
    tally
}

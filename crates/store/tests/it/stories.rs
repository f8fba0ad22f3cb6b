//! Every story, on the engine over every store, with clear and with sealed PINs.

use kunji_testkit::{EngineStage, Home, Story, Transport, perform_all, stories};

use crate::homes::{InSpreadPostgres, on_every_store};
use crate::model::Model;

on_every_store![together: clear_stories_end_as_told, sealed_stories_end_as_told];

/// Plays all; the engine has a word for everything.
fn play<H: Home + Default>(transport: Transport) {
    play_these::<H>(stories(), transport);
}

fn play_these<H: Home + Default>(mut stories: Vec<Story>, transport: Transport) {
    stories.retain(|story| transport == Transport::Clear || !story.is_in_the_clear());
    let tally = perform_all(&stories, || EngineStage::new(H::default(), transport));
    assert_eq!((tally.played.len(), tally.skipped), (stories.len(), vec![]));
}

/// Where tables are spread, an id is used once by each account: the one story in which another
/// account uses it again ends differently there (docs/scaling.md).
#[test]
fn spread_stories_end_as_told() {
    let (of_two, stories): (Vec<_>, Vec<_>) =
        stories().into_iter().partition(|story| story.name == "same_id");
    assert_eq!(of_two.len(), 1);
    play_these::<InSpreadPostgres>(stories.clone(), Transport::Clear);
    play_these::<InSpreadPostgres>(stories, Transport::Sealed);
}

fn clear_stories_end_as_told<H: Home + Default>(_: H) {
    play::<H>(Transport::Clear);
}

fn sealed_stories_end_as_told<H: Home + Default>(_: H) {
    play::<H>(Transport::Sealed);
}

#[test]
fn model_tells_the_same_stories() {
    let stories = stories();
    let tally = perform_all(&stories, Model::default);
    assert_eq!((tally.played.len(), tally.skipped), (stories.len(), vec![]));
}

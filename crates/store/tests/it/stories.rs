//! Every story, on the engine over every store, with clear and with sealed PINs.

use kunji_testkit::{EngineStage, Home, Transport, perform_all, stories};

use crate::homes::on_every_store;
use crate::model::Model;

on_every_store![clear_stories_end_as_told, sealed_stories_end_as_told];

/// Plays all; the engine has a word for everything.
fn play<H: Home + Default>(transport: Transport) {
    let stories = stories();
    let tally = perform_all(&stories, || EngineStage::new(H::default(), transport));
    assert_eq!((tally.played.len(), tally.skipped), (stories.len(), vec![]));
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

//! The tests of the stores, and of the engine over each of them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod blocks;
mod canaries;
mod chains;
mod commits;
mod conformance;
mod embedded;
mod engines;
mod homes;
mod model;
mod model_words;
mod races;
mod random;
mod stories;

//! What is true, and in which order things happen.
//!
//! Pure rules over credentials, the audit chain, the engine loop and the store port. No HTTP, no
//! JSON, no clock and no randomness live here: time, entropy and policy are arguments.

pub mod aggregate;
pub mod audit;
pub mod backup;
pub mod budget;
pub mod capture;
pub mod card;
pub mod command;
pub mod credential;
pub mod customer;
pub mod engine;
pub mod errand;
pub mod ids;
pub mod index;
pub mod mapper;
pub mod outbox;
pub mod reason;
pub mod receipt;
pub mod refusal;
pub mod replay;
pub mod rules;
pub mod store;
pub mod time;

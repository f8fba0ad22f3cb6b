//! The audit from outside, on both engines: what is tampered with shows, and what only a checkpoint
//! kept elsewhere can show, shows against it.

mod checkpoints;
mod forging;
mod series;
mod site;
mod tampering;

//! Speaks: dialects, our own API, the sandbox and the command line of Kunji.

pub mod api;
pub mod app;
pub mod audit;
pub mod backup;
pub mod body;
pub mod boot;
pub mod brake;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialects;
pub mod errands;
pub mod hardening;
pub mod limiter;
pub mod listener;
pub mod mapper_code;
pub mod problem;
pub mod result_code;
pub mod routes;
pub mod sandbox;
pub mod seed;
pub mod serials;
pub mod telemetry;
pub mod wall;
pub mod webhooks;
pub mod workers;

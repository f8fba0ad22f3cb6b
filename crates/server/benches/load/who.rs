//! Who answers, or commits: Kunji over one of its engines, or what others would write.

use clap::ValueEnum;
use serde::Serialize;

use crate::ceilings::Part;
use crate::{Mode, Options};

/// An engine of Kunji, or a design to compare it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// Kunji over its embedded engine.
    Embedded,
    /// Kunji over PostgreSQL.
    Postgres,
    /// A specialist's statement for many requests, over the same tables.
    Batched,
    /// A transaction for each request, over the same tables.
    Naive,
}

/// Which engine is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The embedded one.
    Embedded,
    /// PostgreSQL, beside the designs that it is compared with.
    Postgres,
}

/// Callers that a naive design is at its best with.
const NAIVE_CALLERS: usize = 16;

impl Who {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Postgres => "postgres",
            Self::Batched => "batched",
            Self::Naive => "naive",
        }
    }

    /// All that are measured.
    pub(crate) fn all(options: &Options) -> Vec<Self> {
        let of = |engine: &Engine| match engine {
            Engine::Embedded => vec![Self::Embedded],
            Engine::Postgres => vec![Self::Postgres, Self::Batched, Self::Naive],
        };
        options.engine.iter().flat_map(of).collect()
    }

    pub(crate) fn needs_database(self) -> bool {
        match self {
            Self::Embedded => false,
            Self::Postgres | Self::Batched | Self::Naive => true,
        }
    }

    /// Whether it is Kunji.
    pub(crate) fn is_ours(self) -> bool {
        match self {
            Self::Embedded | Self::Postgres => true,
            Self::Batched | Self::Naive => false,
        }
    }

    /// The part that is this without requests.
    pub(crate) fn alone(self) -> Part {
        match self {
            Self::Embedded | Self::Postgres => Part::Store,
            Self::Batched => Part::Batched,
            Self::Naive => Part::Naive,
        }
    }

    /// Whether it is asked for changes in this mode. RSA blocks and samples never come to a store
    /// that could make a difference.
    pub(crate) fn is_asked(self, mode: Mode) -> bool {
        match mode {
            Mode::Clear | Mode::Ecdh => true,
            Mode::Rsa | Mode::Scenario => self == Self::Embedded,
        }
    }

    /// The part that answers requests in this way, when it is not Kunji.
    pub(crate) fn served(self) -> Option<Part> {
        match self {
            Self::Embedded | Self::Postgres => None,
            Self::Batched => Some(Part::ServeBatched),
            Self::Naive => Some(Part::ServeNaive),
        }
    }

    /// How many call it at once.
    pub(crate) fn callers(self, options: &Options) -> Vec<usize> {
        let mut callers = options.connections.clone();
        if self == Self::Naive && !options.smoke {
            callers.push(NAIVE_CALLERS);
            callers.sort_unstable();
            callers.dedup();
        }
        callers
    }
}

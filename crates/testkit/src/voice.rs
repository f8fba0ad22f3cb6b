//! A dialect for tests: says the verdict by its name.

use kunji_core::engine::{Verdict, Voice};
use kunji_core::receipt::Reply;
use kunji_core::refusal::Refusal;

/// Says the verdict's name; no two decisions ever give the same body.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Voice for Plain {
    fn say(&self, verdict: Verdict<'_>) -> Reply {
        let code = verdict.outcome.map_or_else(Refusal::as_str, |outcome| outcome.as_str());
        Reply {
            status: 200,
            code: code.to_owned(),
            body: format!("{code} {}", verdict.stamp.serial).into_bytes(),
            nonce: verdict.stamp.entropy,
        }
    }
}

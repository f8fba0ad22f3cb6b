//! The binary with bugs on purpose, and which of them the checks must find.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::history::{Kind, Violation};

/// The bugs by name; `kunji-store`'s `plants.rs` says what is wrong with each.
pub(crate) const PLANTS: [&str; 3] =
    ["reply-before-commit", "counter-outside", "unsealed-accepted"];

/// Builds the planted binary beside the real one; all but two crates are there already.
pub(crate) fn build(kunji: &Path) -> anyhow::Result<PathBuf> {
    let folder = kunji.parent().context("the binary lies nowhere")?;
    let target = folder.parent().context("the binary lies nowhere")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--quiet", "-p", "kunji-server", "--features", "plants"]);
    build.args(["--example", "planted", "--target-dir"]).arg(target);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    anyhow::ensure!(build.status()?.success(), "the planted binary cannot be built");
    Ok(folder.join("examples/planted"))
}

/// Whether what was found is the bug, and not an accident of the run.
pub(crate) fn is_found(violations: &[Violation]) -> bool {
    violations.iter().any(is_the_bug)
}

/// What shows the bug best.
pub(crate) fn story(violations: &[Violation]) -> &str {
    // Those of the checker come last, and tell most.
    let told = violations.iter().rev().find(|one| one.kind == Kind::Order);
    told.or(violations.first()).map_or("nothing is wrong", |one| one.story.as_str())
}

fn is_the_bug(violation: &Violation) -> bool {
    match violation.kind {
        Kind::Order | Kind::Repeat | Kind::Forged => true,
        Kind::Audit | Kind::Strange | Kind::Process | Kind::Checker => false,
    }
}

//! Washes secrets off the stack.
//!
//! A value that is moved, spilled or copied leaves its bytes in dead frames, where no `Drop` finds
//! them. So whatever handles secrets works below [`leaving_nothing`], which overwrites its frames.

use std::hint::black_box;

/// Deeper than any frames of ours and of the cryptographic library below one call.
const DEPTH: usize = 16 * 1024;
/// The same for hashes and MACs, which need little.
const MAC_DEPTH: usize = 6 * 1024;

/// Does the work and overwrites the part of the stack that it used.
pub(crate) fn leaving_nothing<T>(work: impl FnOnce() -> T) -> T {
    let made = below(work);
    wash::<DEPTH>();
    made
}

/// The same for work that does no more with secrets than to look at them and to hash them.
pub(crate) fn macs_leaving_nothing<T>(work: impl FnOnce() -> T) -> T {
    let made = below(work);
    wash::<MAC_DEPTH>();
    made
}

/// Keeps the frames of the work where they are washed.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wash<const LEN: usize>() {
    black_box(&mut [0_u8; LEN]);
}

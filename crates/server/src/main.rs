//! The binary `kunji`.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Overwrites what is freed: libraries copy bodies, texts and settings with secrets in them, and
/// none of them wipes its copies.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    kunji_server::cli::main()
}

//! The binary `kunji` with bugs on purpose: what the fault harness must find.

use std::process::ExitCode;

fn main() -> ExitCode {
    kunji_server::cli::main()
}

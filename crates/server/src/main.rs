//! The binary `kunji`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kunji_server::cli::main()
}

//! `unlearnctl`: a person's way to unlearnd. Everything is in `unlearnd::client`.

use std::process::ExitCode;

fn main() -> ExitCode {
    unlearnd::client::main()
}

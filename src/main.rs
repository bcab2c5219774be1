//! unlearnd: reads the configuration, runs the daemon, turns its end into an exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use unlearnd::config::{self, Config, Flags};
use unlearnd::daemon::{self, Signals};
use unlearnd::telemetry;

/// What libtorch's helpers on blocking threads get once the daemon has ended.
const LAST_GRACE: Duration = Duration::from_millis(500);
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Some(path) = &flags.read_parquet_headers {
        return daemon::read_parquet_headers(path).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    match config::load(&flags) {
        Err(problems) => {
            eprintln!("unlearnd: {problems}");
            ExitCode::from(MISCONFIGURED)
        }
        Ok(config) if flags.check_config => checked(&config),
        Ok(config) => match run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("unlearnd: {}", chain(error.as_ref()));
                ExitCode::FAILURE
            }
        },
    }
}

fn checked(config: &Config) -> ExitCode {
    match daemon::check(config) {
        Ok(()) => {
            println!("configuration is valid");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("unlearnd: {problems}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}

fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("rpc").build()?;
    let ended = runtime.block_on(async {
        let signals = Signals::install()?;
        Ok(daemon::run(config, signals).await?)
    });
    runtime.shutdown_timeout(LAST_GRACE);
    ended
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

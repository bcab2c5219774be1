//! Starts the real `unlearnd` with a data directory of its own on a port of the system's choice, and ends it with the test.
//!
//! ```ignore
//! let daemon = Daemon::start().await;
//! let mut models = daemon.models();
//! ```
//!
//! When a test fails, the daemon's log is printed. Waiting is for a state (`until`), never for a while.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod authority;
mod clients;
pub(crate) mod frames;
pub(crate) mod guarded;
pub(crate) mod language;
pub(crate) mod process;
pub(crate) mod refusals;
pub(crate) mod shapes;
pub(crate) mod small_disk;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use process::Process;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

/// How long a test waits for anything; far above what is needed, since the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon with its folder.
pub(crate) struct Daemon {
    process: Process,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    channel: Channel,
    folder: TempDir,
}

impl Daemon {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further arguments, such as `--root DIR`.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        Self::launch(arguments, &[]).await
    }

    pub(crate) async fn start_in_environment(variables: &[(&str, &str)]) -> Self {
        Self::launch(&[], variables).await
    }

    async fn launch(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::launch_in(tempfile::tempdir().expect("a temporary folder"), arguments, variables).await
    }

    /// `folder` will hold the data directory `data`, or holds it already.
    pub(crate) async fn launch_in(folder: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (process, channel) = launch(folder.path(), &arguments, &variables).await;
        Self { process, arguments, variables, channel, folder }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A connection of its own, whose streams hold back what is more than `window` bytes ahead of their readers.
    pub(crate) async fn connection(&self, window: u32) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address())).expect("an address");
        endpoint.initial_stream_window_size(window).connect().await.expect("a running daemon")
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        std::fs::read_to_string(self.address_file()).expect("a running daemon").trim().to_owned()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder next to the data directory for what the test needs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn address_file(&self) -> PathBuf {
        address_file(self.folder.path())
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        self.process.resident_bytes()
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// SIGTERM, then the way it ended.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.ended().await
    }

    /// SIGKILL, as a power cut.
    pub(crate) async fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.ended().await;
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// A new process on the same data directory, after `stop` or `kill`.
    pub(crate) async fn start_again(&mut self) {
        let _left_by_kill = std::fs::remove_file(self.address_file());
        (self.process, self.channel) = launch(self.folder.path(), &self.arguments, &self.variables).await;
    }
}

async fn launch(folder: &Path, arguments: &[OsString], variables: &[(OsString, OsString)]) -> (Process, Channel) {
    let mut process = Process::launch(folder, &address_file(folder), arguments, variables);
    let address = process.address(&address_file(folder)).await;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let channel = endpoint.connect().await.unwrap_or_else(|error| panic!("cannot connect: {error}\n{}", process.log()));
    (process, channel)
}

fn address_file(folder: &Path) -> PathBuf {
    folder.join("address")
}

/// Asks until there is an answer; gives up with `what` after `PATIENCE`.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "gave up waiting: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! The process itself: its log, its signals, its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::until;

pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn launch(
        folder: &Path,
        address_file: &Path,
        arguments: &[OsString],
        variables: &[(OsString, OsString)],
    ) -> Self {
        let log = folder.join("unlearnd.log");
        let stderr = File::options().create(true).append(true).open(&log).expect("a log file");
        let child = unlearnd()
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--address-file")
            .arg(address_file)
            .args(arguments)
            .envs(variables.iter().cloned())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("unlearnd starts");
        Self { child, log }
    }

    /// Where it listens, once it says so.
    pub(crate) async fn address(&mut self, file: &Path) -> String {
        let (child, log) = (&mut self.child, &self.log);
        until("the address file", async || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("unlearnd ended with {status}:\n{}", read(log));
            }
            fs::read_to_string(file).ok().map(|address| address.trim().to_owned())
        })
        .await
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success(), "no process to signal");
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the end of unlearnd", async || child.try_wait().expect("own child")).await
    }

    /// Of the daemon, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux tells it");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _status = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of unlearnd\n{}---", self.log());
        }
    }
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default()
}

/// The binary under test, without the environment's settings.
pub(crate) fn unlearnd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unlearnd"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("UNLEARND_") {
            command.env_remove(name);
        }
    }
    command
}

//! What the targets have in common. libfuzzer-sys aborts in the panic hook, also where the daemon catches the panic of somebody else's
//! decoder and answers with an error; here only a panic that nobody caught is a finding.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::sync::Mutex;

use nix::libc::_exit;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

pub use {libfuzzer_sys, unlearnd};

static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// A target that runs the entry of this name.
#[macro_export]
macro_rules! target {
    ($entry:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(init: $crate::keep_quiet(), |bytes: &[u8]| {
            $crate::run($crate::unlearnd::fuzzing::$entry, bytes)
        });
    };
}

/// As `target`, for files in Parquet.
#[macro_export]
macro_rules! parquet_target {
    ($entry:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(init: $crate::keep_quiet(), |bytes: &[u8]| {
            if $crate::has_readable_headers(bytes) {
                $crate::run($crate::unlearnd::fuzzing::$entry, bytes)
            }
        });
    };
}

/// Processor time for the headers of a file; instrumented code takes longer than the daemon's, inputs are smaller.
const HEADER_SECONDS: u64 = 1;

/// Whether the daemon would go on to read the file: it lets a process with a limit on its processor time read the headers first, since the
/// Parquet crate can be held up by them for hours (`storage/datasets/parquet_headers`).
pub fn has_readable_headers(bytes: &[u8]) -> bool {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = made.expect("a temporary folder");
    let path = folder.path().join("data.parquet");
    fs::write(&path, bytes).expect("room for a file");
    // SAFETY: the child reads a file and ends; the fuzzer has no other thread that holds a lock which this needs.
    match unsafe { fork() }.expect("room for a process") {
        ForkResult::Child => {
            let limited = setrlimit(Resource::RLIMIT_CPU, HEADER_SECONDS, HEADER_SECONDS + 1);
            let read = catch_unwind(|| unlearnd::daemon::read_parquet_headers(&path));
            // SAFETY: ends the process without what the parent has registered for its end.
            unsafe { _exit(i32::from(limited.is_err() || !matches!(read, Ok(Ok(()))))) }
        }
        ForkResult::Parent { child } => matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))),
    }
}

/// Remembers panics instead of aborting at once.
pub fn keep_quiet() {
    set_hook(Box::new(|panic| {
        if let Ok(mut last) = LAST_PANIC.lock() {
            *last = panic.to_string();
        }
    }));
}

/// Tells of a panic that nobody caught, and aborts.
pub fn run(entry: fn(&[u8]), bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| entry(bytes))).is_err() {
        eprintln!("{}", LAST_PANIC.lock().map(|last| last.clone()).unwrap_or_default());
        std::process::abort();
    }
}

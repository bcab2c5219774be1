//! What the targets have in common. libfuzzer-sys aborts in the panic hook, also where the daemon catches the panic of somebody else's
//! decoder and answers with an error; here only a panic that nobody caught is a finding.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;

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

//! Where results go: standard output for results (text or JSON), standard error for everything else.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use console::Term;
use serde::Serialize;
use serde_json::json;

use super::error::{Error, Explanation, Flags, Result, Violation};
use super::view::View;

/// How the caller wants to be talked to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether a progress bar would be seen and is wanted.
    pub(crate) fn shows_bars(self) -> bool {
        !self.quiet && Term::stderr().is_term()
    }

    /// Whether pictures would be seen with the result.
    pub(crate) fn shows_pictures(self) -> bool {
        !self.quiet && !self.json && Term::stdout().is_term() && console::colors_enabled()
    }

    /// The result of a command: text for people, one object on one line with `--json`.
    pub(crate) fn show(self, view: &impl View) -> Result<()> {
        if self.json {
            print(&to_json(view))
        } else if !self.quiet {
            print(view.text().trim_end())
        } else {
            Ok(())
        }
    }

    /// A part of a result that comes in parts, shown at once to people.
    pub(crate) fn piece(self, text: &str) -> Result<()> {
        if self.json || self.quiet { Ok(()) } else { write_out(text) }
    }

    /// After the last part: the whole with `--json`.
    pub(crate) fn end_of_pieces(self, whole: &impl View) -> Result<()> {
        if self.json { self.show(whole) } else { self.piece("\n") }
    }

    /// A remark beside the result.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet && !self.json {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    pub(crate) fn failure(self, error: &Error, flags: &Flags) {
        let mut told = error.explain();
        flags.tell(&mut told);
        let text = if self.json { json!({ "error": told }).to_string() } else { failure_text(&told) };
        let _ = writeln!(io::stderr(), "{}", text.trim_end());
    }
}

/// A closed pipe (`| head`) is the reader's wish, not an error.
fn print(text: &str) -> Result<()> {
    write_out(&format!("{text}\n"))
}

fn write_out(text: &str) -> Result<()> {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::file("write", "standard output", error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("views hold only strings, numbers and lists")
}

fn failure_text(told: &Explanation) -> String {
    let red = console::style("error:").for_stderr().red().bold();
    let mut text = format!("{red} {}\n", told.message);
    let untold = |violation: &&Violation| !told.message.contains(&violation.description);
    for violation in told.violations.iter().filter(untold) {
        let subject = violation.flag.as_ref().unwrap_or(&violation.subject);
        let _ = writeln!(text, "  {subject}: {}", violation.description);
    }
    for cause in &told.causes {
        let _ = writeln!(text, "  because: {cause}");
    }
    if !told.reason.is_empty() {
        let _ = writeln!(text, "  reason: {}", told.reason);
    }
    if let Some(seconds) = told.retry_after_seconds {
        let _ = writeln!(text, "  try again in {seconds:.1} s");
    }
    for hint in told.hint.iter().flat_map(|hint| hint.lines()) {
        let _ = writeln!(text, "  {} {hint}", console::style("→").for_stderr().cyan());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_job_tells_state_reason_and_what_next() {
        let error = Error::Job {
            job: "jobs/7".into(),
            state: "failed",
            reason: "NON_FINITE_LOSS".into(),
            message: "loss is NaN at step 12".into(),
        };
        let text = console::strip_ansi_codes(&failure_text(&error.explain())).into_owned();
        assert!(text.starts_with("error: jobs/7 failed: loss is NaN at step 12\n"), "{text}");
        assert!(text.contains("reason: NON_FINITE_LOSS") && text.contains("unlearnctl job watch jobs/7"), "{text}");
        assert_eq!(error.exit_code(), 1);
    }
}

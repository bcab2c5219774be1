//! What every command that makes a job takes: how urgent it is, and how long it may run.

use clap::Args;

use crate::client::words::parser;
use crate::pb::v1::Priority;

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SubmissionArgs {
    /// Which waiting jobs go first [default: normal].
    #[arg(long, value_parser = parser::<Priority>())]
    priority: Option<Priority>,
    /// Fail the job when it has run for so long, like 90s, 30m or 2h [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<prost_types::Duration>,
}

impl SubmissionArgs {
    /// As a number of the wire.
    pub(crate) fn priority(&self) -> i32 {
        self.priority.unwrap_or_default().into()
    }

    pub(crate) fn timeout(&self) -> Option<prost_types::Duration> {
        self.timeout
    }

    /// Whether anything was said, which asks for a job.
    pub(crate) fn is_stated(&self) -> bool {
        self.priority.is_some() || self.timeout.is_some()
    }
}

/// A whole number with a unit: s, m, h, d.
fn duration(text: &str) -> Result<prost_types::Duration, String> {
    let wrong = || format!("`{text}` is not a duration like 90s, 30m, 2h or 1d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    if count == 0 {
        return Err(wrong());
    }
    Ok(prost_types::Duration { seconds: i64::from(count) * factor, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let seconds = |text: &str| duration(text).map(|duration| duration.seconds);
        assert_eq!(["90s", "30m", "2h", "1d"].map(seconds), [Ok(90), Ok(1800), Ok(7200), Ok(86400)]);
        for wrong in ["", "s", "30", "0m", "-1s", "1.5h", "1w", "5\u{e4}"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

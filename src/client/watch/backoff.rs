//! How long to wait before connecting again, and when to give up.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);
/// About a minute in all: a daemon that restarts takes its jobs up again within that.
const MAX_ATTEMPTS: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// Doubles from 0.2 s to 5 s; None after the last attempt.
    pub(super) fn next_delay(&mut self) -> Option<Duration> {
        if self.attempts == MAX_ATTEMPTS {
            return None;
        }
        let delay = FIRST.saturating_mul(1 << self.attempts.min(10)).min(LONGEST);
        self.attempts += 1;
        Some(delay)
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut backoff = Backoff::default();
        let delays: Vec<Duration> = std::iter::from_fn(|| backoff.next_delay()).collect();
        assert!(delays.is_sorted() && delays[0] == FIRST && delays.last() == Some(&LONGEST));
        assert_eq!(backoff.attempts(), MAX_ATTEMPTS);
        assert!(delays.iter().sum::<Duration>() < Duration::from_secs(90));
    }
}

//! Progress of a task: rate and time left, computed from its position and told at most ten times a second.

use std::time::{Duration, Instant};

use crate::domain::job::Progress;
use crate::ml::step::Position;

const INTERVAL: Duration = Duration::from_millis(100);

/// Where the stage that a task is in began; the rate is the average since then.
#[derive(Debug)]
pub(super) struct Meter {
    begin: Instant,
    first: Position,
    told: Option<Instant>,
}

impl Meter {
    pub(super) fn new(position: Position, now: Instant) -> Self {
        Self { begin: now, first: position, told: None }
    }

    /// The progress to tell now, if it is time: at the start, at each new stage, at the end, and every `INTERVAL`.
    pub(super) fn reading(&mut self, position: Position, now: Instant) -> Option<Progress> {
        if position.stage != self.first.stage || position.step < self.first.step {
            *self = Self::new(position, now);
        }
        let due = self.told.is_none_or(|told| now.duration_since(told) >= INTERVAL);
        if !due && position.step < position.total {
            return None;
        }
        self.told = Some(now);
        Some(self.progress(position, now))
    }

    fn progress(&self, position: Position, now: Instant) -> Progress {
        let seconds = now.duration_since(self.begin).as_secs_f64();
        let steps = (position.step - self.first.step) as f64;
        let rate = if seconds > 0.0 { steps / seconds } else { 0.0 };
        let left = position.total.saturating_sub(position.step) as f64;
        Progress {
            stage: position.stage.to_owned(),
            step: position.step,
            total: position.total,
            steps_per_second: rate,
            eta_seconds: (rate > 0.0).then(|| left / rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stage: &'static str, step: u64) -> Position {
        Position { stage, step, total: 100 }
    }

    #[test]
    fn rate_and_time_left_count_from_the_resumed_step() {
        let start = Instant::now();
        let mut meter = Meter::new(at("train", 40), start);
        let progress = meter.reading(at("train", 60), start + Duration::from_secs(2)).unwrap();
        assert_eq!((progress.steps_per_second, progress.eta_seconds), (10.0, Some(4.0)));
    }

    #[test]
    fn tells_ten_times_a_second_and_at_each_turn_of_events() {
        let start = Instant::now();
        let mut meter = Meter::new(at("train", 0), start);
        let told = (0..1000).filter(|ms| {
            let step = u64::try_from(ms / 11).unwrap();
            meter.reading(at("train", step), start + Duration::from_millis(u64::try_from(*ms).unwrap())).is_some()
        });
        assert_eq!(told.count(), 10);
        let end = start + Duration::from_millis(1001);
        assert!(meter.reading(at("train", 92), end).is_some() || meter.reading(at("train", 100), end).is_some());
        assert_eq!(meter.reading(at("evaluate", 0), end).unwrap().eta_seconds, None);
    }
}

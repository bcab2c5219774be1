//! Where in a job's events the caller is: takes each durable event once, in order, and notices a gap.

use crate::pb::v1::JobEvent;
use crate::pb::v1::job::State;
use crate::pb::v1::job_event::Body;

#[derive(Debug)]
pub(super) struct Cursor {
    last: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Seen for the first time, or a snapshot.
    New,
    /// New, and no event follows.
    Last,
    /// Seen before.
    Repeat,
    /// Something between the last event and this one is missing.
    Gap,
}

impl Cursor {
    pub(super) fn after(last: i64) -> Self {
        Self { last }
    }

    /// Of the last durable event taken.
    pub(super) fn sequence(&self) -> i64 {
        self.last
    }

    pub(super) fn take(&mut self, event: &JobEvent) -> Verdict {
        match event.sequence {
            0 => Verdict::New,
            sequence if sequence <= self.last => Verdict::Repeat,
            sequence if sequence > self.last + 1 => Verdict::Gap,
            sequence => {
                self.last = sequence;
                if ends_job(event) { Verdict::Last } else { Verdict::New }
            }
        }
    }
}

fn ends_job(event: &JobEvent) -> bool {
    matches!(&event.body, Some(Body::State(change)) if is_terminal(change.state()))
}

pub(super) fn is_terminal(state: State) -> bool {
    match state {
        State::Succeeded | State::Failed | State::Cancelled => true,
        State::Unspecified | State::Queued | State::Running | State::Cancelling | State::Interrupted => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::job_event::StateChange;

    fn event(sequence: i64, state: State) -> JobEvent {
        let change = StateChange { state: state.into(), ..StateChange::default() };
        JobEvent { sequence, body: Some(Body::State(change)), ..JobEvent::default() }
    }

    #[test]
    fn no_gap_and_no_repeat_across_connections() {
        let mut cursor = Cursor::after(0);
        assert_eq!(cursor.take(&event(1, State::Queued)), Verdict::New);
        assert_eq!(cursor.take(&event(0, State::Running)), Verdict::New, "snapshots have no sequence");
        assert_eq!(cursor.take(&event(1, State::Queued)), Verdict::Repeat);
        assert_eq!(cursor.take(&event(3, State::Running)), Verdict::Gap);
        assert_eq!(cursor.sequence(), 1, "a gap is not taken");
        assert_eq!(cursor.take(&event(2, State::Running)), Verdict::New);
        assert_eq!(cursor.take(&event(3, State::Succeeded)), Verdict::Last);
    }

    #[test]
    fn an_interrupted_job_goes_on() {
        let mut cursor = Cursor::after(4);
        assert_eq!(cursor.take(&event(5, State::Interrupted)), Verdict::New);
    }
}

//! Two bounded lanes into a device thread, and the decision what it does next.
//!
//! Interactive commands overtake batch work between its steps, but after `burst` of them in a row one batch step runs. Among
//! interactive commands clients take turns, and one client has at most half of the places. The thread sleeps on the condition variable when there is nothing to do. Closing lets waiting interactive commands through
//! and takes nothing more.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::domain::{Error, ErrorKind};

use super::cancel::stopping;
use super::turns::Turns;

/// How many entries may wait in each lane, and how many interactive commands may run between two batch steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    pub interactive: usize,
    pub batch: usize,
    pub burst: u32,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self { interactive: 256, batch: 64, burst: 8 }
    }
}

/// What the device thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<I, B> {
    Interactive(I),
    /// The next step of an interactive command that has begun.
    Continue,
    Start(B),
    Step,
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    Interactive,
    Continue,
    Start,
    Step,
    Wait,
    Close,
}

/// What the choice is made from.
#[derive(Debug, Clone, Copy, Default)]
struct Situation {
    /// An interactive command waits.
    interactive: bool,
    /// An interactive command has begun and has steps left.
    begun: bool,
    /// Batch work waits.
    batch: bool,
    /// A batch task is under way.
    running: bool,
    /// Interactive commands have had their burst.
    spent: bool,
    closed: bool,
}

/// A command that has begun goes on only when no fresh one waits: short calls overtake long ones.
fn pick(situation: Situation) -> Pick {
    let Situation { interactive, begun, batch, running, spent, closed } = situation;
    let batch_can_move = (running || batch) && !closed;
    if !(spent && batch_can_move) {
        match (interactive, begun) {
            (true, _) => return Pick::Interactive,
            (false, true) => return Pick::Continue,
            (false, false) => {}
        }
    }
    match (closed, running, batch) {
        (true, _, _) => Pick::Close,
        (false, true, _) => Pick::Step,
        (false, false, true) => Pick::Start,
        (false, false, false) => Pick::Wait,
    }
}

#[derive(Debug)]
pub(super) struct Lanes<I, B> {
    limits: LaneLimits,
    state: Mutex<State<I, B>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<I, B> {
    interactive: Turns<I>,
    batch: VecDeque<B>,
    /// Interactive commands handed out since the last batch step.
    streak: u32,
    closed: bool,
}

impl<I, B> Lanes<I, B> {
    pub(super) fn new(limits: LaneLimits) -> Self {
        let state = State { interactive: Turns::new(), batch: VecDeque::new(), streak: 0, closed: false };
        Self { limits, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn push_interactive(&self, client: &str, entry: I) -> Result<(), Error> {
        let mut state = self.lock();
        admit(state.closed, "interactive", state.interactive.len(), self.limits.interactive)?;
        if !client.is_empty() {
            admit_client(client, state.interactive.len_of(client), self.limits.interactive.div_ceil(2))?;
        }
        state.interactive.push(client, entry);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn push_batch(&self, entry: B) -> Result<(), Error> {
        let mut state = self.lock();
        admit(state.closed, "batch", state.batch.len(), self.limits.batch)?;
        state.batch.push_back(entry);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits until there is something to do; with a `running` batch task or a `begun` interactive command there always is.
    pub(super) fn next(&self, running: bool, begun: bool) -> Turn<I, B> {
        let mut state = self.lock();
        loop {
            let situation = Situation {
                interactive: !state.interactive.is_empty(),
                begun,
                batch: !state.batch.is_empty(),
                running,
                spent: state.streak >= self.limits.burst,
                closed: state.closed,
            };
            match pick(situation) {
                Pick::Interactive => {
                    state.streak += 1;
                    return Turn::Interactive(state.interactive.pop().expect("picked because one waits"));
                }
                Pick::Continue => {
                    state.streak += 1;
                    return Turn::Continue;
                }
                Pick::Start => {
                    state.streak = 0;
                    return Turn::Start(state.batch.pop_front().expect("picked because one waits"));
                }
                Pick::Step => {
                    state.streak = 0;
                    return Turn::Step;
                }
                Pick::Close => return Turn::Close,
                Pick::Wait => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Takes the waiting batch entries out that `dead` holds for.
    pub(super) fn take_batch(&self, dead: impl Fn(&B) -> bool) -> Vec<B> {
        let mut state = self.lock();
        if !state.batch.iter().any(&dead) {
            return Vec::new();
        }
        let (taken, kept) = state.batch.drain(..).partition(&dead);
        state.batch = kept;
        Vec::from(taken)
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Entries waiting in the interactive and in the batch lane.
    pub(super) fn depths(&self) -> (usize, usize) {
        let state = self.lock();
        (state.interactive.len(), state.batch.len())
    }

    fn lock(&self) -> MutexGuard<'_, State<I, B>> {
        // A panic under the lock (in `dead`) leaves the deques whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn admit(closed: bool, lane: &str, depth: usize, limit: usize) -> Result<(), Error> {
    if closed {
        return Err(stopping());
    }
    if depth >= limit {
        let message = format!("the device's {lane} queue is full ({depth} of {limit} waiting); try again later");
        return Err(Error::new(ErrorKind::ResourceExhausted, "DEVICE_QUEUE_FULL", message));
    }
    Ok(())
}

fn admit_client(client: &str, depth: usize, limit: usize) -> Result<(), Error> {
    if depth < limit {
        return Ok(());
    }
    let message = format!("`{client}` has {depth} calls waiting, of at most {limit} for each client; try again later");
    Err(Error::new(ErrorKind::ResourceExhausted, "DEVICE_QUEUE_FULL", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(interactive: usize, batch: usize, burst: u32) -> Lanes<u32, &'static str> {
        Lanes::new(LaneLimits { interactive, batch, burst })
    }

    #[test]
    fn every_situation_has_the_right_turn() {
        for bits in 0..64_u32 {
            let [interactive, begun, batch, running, spent, closed] =
                [0, 1, 2, 3, 4, 5].map(|bit| bits & (1 << bit) != 0);
            let batch_is_due = (batch || running) && !closed && (spent || !(interactive || begun));
            let expected = match (batch_is_due, interactive, begun, closed) {
                (true, ..) if running => Pick::Step,
                (true, ..) => Pick::Start,
                (false, true, ..) => Pick::Interactive,
                (false, false, true, _) => Pick::Continue,
                (false, false, false, true) => Pick::Close,
                (false, false, false, false) => Pick::Wait,
            };
            let situation = Situation { interactive, begun, batch, running, spent, closed };
            assert_eq!(pick(situation), expected, "{situation:?}");
        }
    }

    #[test]
    fn a_long_command_lets_short_ones_and_batch_steps_through() {
        let lanes = lanes(16, 4, 3);
        lanes.push_interactive("", 1).unwrap();
        let turn = |running, begun| match lanes.next(running, begun) {
            Turn::Interactive(_) => 'i',
            Turn::Continue => 'c',
            Turn::Step => 's',
            Turn::Start(_) | Turn::Close => '?',
        };
        let mut turns: String = (0..6).map(|_| turn(true, true)).collect();
        lanes.push_interactive("", 2).unwrap();
        turns.extend((0..2).map(|_| turn(true, true)));
        assert_eq!(turns, "iccsccis");
    }

    #[test]
    fn a_batch_step_runs_after_each_burst() {
        let lanes = lanes(16, 4, 3);
        (0..7).for_each(|entry| lanes.push_interactive("", entry).unwrap());
        let turns: String = (0..10)
            .map(|_| match lanes.next(true, false) {
                Turn::Interactive(_) => 'i',
                Turn::Step => 's',
                Turn::Continue | Turn::Start(_) | Turn::Close => '?',
            })
            .collect();
        assert_eq!(turns, "iiisiiisis");
    }

    #[test]
    fn full_lanes_refuse_with_the_numbers() {
        let lanes = lanes(1, 1, 8);
        lanes.push_interactive("", 1).unwrap();
        lanes.push_batch("a").unwrap();
        for error in [lanes.push_interactive("", 2).unwrap_err(), lanes.push_batch("b").unwrap_err()] {
            assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_QUEUE_FULL"));
            assert!(error.message.contains("1 of 1"), "{error}");
        }
    }

    #[test]
    fn one_client_leaves_half_of_the_places_and_every_second_turn_to_others() {
        let lanes = lanes(8, 1, 8);
        (0..4).for_each(|entry| lanes.push_interactive("a", entry).unwrap());
        assert_eq!(lanes.push_interactive("a", 4).unwrap_err().reason, "DEVICE_QUEUE_FULL");
        (10..12).for_each(|entry| lanes.push_interactive("b", entry).unwrap());
        let order = [0, 10, 1, 11, 2, 3].map(|_: u32| lanes.next(false, false));
        assert_eq!(order, [0, 10, 1, 11, 2, 3].map(Turn::Interactive));
    }

    #[test]
    fn closed_lanes_let_waiting_commands_through_and_then_end() {
        let lanes = lanes(4, 4, 8);
        lanes.push_interactive("", 1).unwrap();
        lanes.push_batch("a").unwrap();
        lanes.close();
        assert_eq!(lanes.push_interactive("", 2).unwrap_err().reason, "DEVICE_STOPPING");
        assert_eq!(lanes.next(false, false), Turn::Interactive(1));
        assert_eq!(lanes.next(false, false), Turn::Close);
        assert_eq!(lanes.take_batch(|_| true), ["a"]);
    }

    #[test]
    fn dead_entries_leave_and_the_rest_keep_their_order() {
        let lanes = lanes(4, 4, 8);
        ["a", "x", "b"].into_iter().for_each(|entry| lanes.push_batch(entry).unwrap());
        assert_eq!(lanes.take_batch(|entry| *entry == "x"), ["x"]);
        assert_eq!(lanes.next(false, false), Turn::Start("a"));
        assert_eq!(lanes.next(false, false), Turn::Start("b"));
    }

    #[test]
    fn an_idle_thread_sleeps_until_something_comes() {
        let lanes = lanes(4, 4, 8);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lanes.next(false, false));
            lanes.push_batch("a").unwrap();
            assert_eq!(waiting.join().unwrap(), Turn::Start("a"));
        });
    }
}

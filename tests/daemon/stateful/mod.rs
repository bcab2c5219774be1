//! Random calls and SIGKILL at random moments, also in the middle of a call: after every restart all that was acknowledged is there and
//! nothing else is. A call that was cut off has happened or has not; there is no third.
//!
//! ```text
//! action ─► daemon ─► answer ─► world (what must be) ─┐
//!     └─ perhaps killed meanwhile ─► restart ─► seen ──┴─► compare
//! ```
//!
//! `UNLEARND_STATEFUL_SEED` repeats a run as far as time allows, `UNLEARND_STATEFUL_STEPS` makes it longer.

mod action;
mod random;
mod seen;
mod world;

use std::time::Duration;

use action::Action;
use random::Random;
use world::World;

use crate::support::shapes::{Shapes, csv, written};

const STEPS: u64 = 70;
/// Every sixth action is cut off by a kill.
const KILLS: u64 = 6;
const LONGEST_UNTIL_KILL_MILLIS: u64 = 120;

/// Tells how to come here again, if the test fails.
struct Trail {
    seed: u64,
    actions: Vec<String>,
}

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("UNLEARND_STATEFUL_SEED={} after:\n{}", self.seed, self.actions.join("\n"));
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_any_kill_and_nothing_else() {
    let seed = variable("UNLEARND_STATEFUL_SEED").unwrap_or_else(random::seed);
    let mut random = Random::new(seed);
    let mut trail = Trail { seed, actions: Vec::new() };
    let mut shapes = Shapes::bare().await;
    written(&shapes, "train.csv", &csv(48, 1));
    let (mut world, mut kills) = (World::default(), 0);
    for _ in 0..variable("UNLEARND_STATEFUL_STEPS").unwrap_or(STEPS) {
        let action = Action::draw(&mut random, &world);
        let killed = random.below(KILLS) == 0;
        trail.actions.push(format!("{action:?}{}", if killed { ", killed" } else { "" }));
        if killed {
            cut_off(&mut shapes, &mut world, &action, random.below(LONGEST_UNTIL_KILL_MILLIS)).await;
            kills += 1;
        } else {
            let answer = action.perform(&shapes).await;
            world.answered(&action, answer);
        }
        if random.below(12) == 0 {
            world.settle(&shapes).await;
        }
    }
    world.settle(&shapes).await;
    shapes.daemon.kill().await;
    shapes.daemon.start_again().await;
    world.compare(&shapes).await;
    println!("seed {seed}: {} actions, {kills} kills; at the end {}", trail.actions.len(), world.summary());
}

/// Performs an action and kills the daemon meanwhile, or just after.
async fn cut_off(shapes: &mut Shapes, world: &mut World, action: &Action, millis: u64) {
    let kill = async {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        shapes.daemon.signal("KILL");
    };
    let (answer, ()) = tokio::join!(action.perform(shapes), kill);
    shapes.daemon.ended().await;
    shapes.daemon.start_again().await;
    match answer {
        Err(status) if world::is_broken_connection(&status) => world.unanswered(action, shapes).await,
        answer => world.answered(action, answer),
    }
    world.compare(shapes).await;
}

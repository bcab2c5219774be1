//! Interactive commands of many steps: what they overtake, and what goes on between.

use std::sync::mpsc;

use super::{context, device, gated, script, spawn, until};
use crate::device::Residents;
use crate::device::command::Command;
use crate::device::queue::LaneLimits;

/// Tells its name in each of its steps; the first waits for leave.
struct Stepping {
    name: char,
    steps: u32,
    told: mpsc::Sender<char>,
    leave: Option<mpsc::Receiver<()>>,
}

impl Command for Stepping {
    fn execute(mut self: Box<Self>, _residents: &mut Residents) -> Option<Box<dyn Command>> {
        if let Some(leave) = self.leave.take() {
            leave.recv().unwrap();
        }
        self.told.send(self.name).unwrap();
        self.steps -= 1;
        (self.steps > 0).then_some(self as Box<dyn Command>)
    }
}

#[test]
fn a_fresh_command_overtakes_one_with_steps_left() {
    let thread = device(LaneLimits::default());
    let (told, heard) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel();
    let command = |name, steps, leave| Box::new(Stepping { name, steps, told: told.clone(), leave });
    thread.handle.lanes.push_interactive("", command('l', 3, Some(may_leave))).unwrap();
    thread.handle.lanes.push_interactive("", command('s', 1, None)).unwrap();
    leave.send(()).unwrap();
    let order: String = (0..4).map(|_| heard.recv().unwrap()).collect();
    assert_eq!(order, "lsll");
    thread.close();
    thread.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_for_a_caller_overtakes_the_running_job_and_lets_its_steps_between() {
    let device = device(LaneLimits { burst: 2, ..LaneLimits::default() });
    let (work, is_entered, leave) = gated(2);
    let (context, _owner) = context();
    let job = spawn(&device.handle, work, context);
    is_entered.recv().unwrap();
    let visit = tokio::spawn({
        let handle = device.handle.clone();
        async move { handle.visit(script(4, |_| {}), "").await }
    });
    until(&device.handle, |info| info.interactive_waiting == 1).await;
    leave.send(()).unwrap();
    // Two of its turns are over when the job is at its second step again; it ends while the job waits there or after.
    is_entered.recv().unwrap();
    leave.send(()).unwrap();
    assert_eq!(visit.await.unwrap().unwrap(), 4);
    assert_eq!(job.await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn a_panic_in_work_for_a_caller_is_its_own_error() {
    let device = device(LaneLimits::default());
    let error = device.handle.visit(script(2, |step| assert_eq!(step, 0, "second step")), "").await.unwrap_err();
    assert_eq!(error.reason, "STEP_PANICKED");
    assert_eq!(device.handle.visit(script(1, |_| {}), "").await.unwrap(), 1);
}

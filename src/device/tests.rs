//! The promises of a device thread, checked with scripted tasks on a real thread.

mod interactive;

use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::queue::LaneLimits;
use super::thread::{DeviceThread, ThreadOptions};
use super::{CancelReason, CancelToken, DeviceHandle, Residents, RunContext, Work};
use crate::domain::job::{EventBody, Progress};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::activations::ActivationCache;
use crate::ml::step::{Outcome, Position, Reporter, Task};

type Action = Box<dyn FnMut(u64, &mut dyn Reporter) -> Result<()> + Send>;

/// Calls `action` in each of `steps` steps and is done with their number.
struct Scripted {
    steps: u64,
    action: Action,
}

struct ScriptedTask {
    script: Scripted,
    step: u64,
}

impl Work for Scripted {
    type Output = u64;

    fn start(self, _residents: &mut Residents) -> Result<Box<dyn Task<Output = u64>>> {
        Ok(Box::new(ScriptedTask { script: self, step: 0 }))
    }
}

impl Task for ScriptedTask {
    type Output = u64;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<u64>> {
        (self.script.action)(self.step, reporter)?;
        self.step += 1;
        Ok(if self.step == self.script.steps { Outcome::Done(self.step) } else { Outcome::Continue })
    }

    fn position(&self) -> Position {
        Position { stage: "script", step: self.step, total: self.script.steps }
    }
}

fn script(steps: u64, mut action: impl FnMut(u64) + Send + 'static) -> Scripted {
    let action = move |step, _: &mut dyn Reporter| {
        action(step);
        Ok(())
    };
    Scripted { steps, action: Box::new(action) }
}

/// A task that tells when it runs a step and waits for leave to end it.
fn gated(steps: u64) -> (Scripted, std_mpsc::Receiver<u64>, std_mpsc::Sender<()>) {
    let (entered, is_entered) = std_mpsc::channel();
    let (leave, may_leave) = std_mpsc::channel();
    let work = script(steps, move |step| {
        entered.send(step).unwrap();
        may_leave.recv().unwrap();
    });
    (work, is_entered, leave)
}

struct Owner {
    events: mpsc::Receiver<EventBody>,
    progress: watch::Receiver<Progress>,
    cancel: CancelToken,
}

fn context() -> (RunContext, Owner) {
    let (events_tx, events) = mpsc::channel(4);
    let (progress_tx, progress) = watch::channel(Progress::default());
    let cancel = CancelToken::new();
    let context = RunContext {
        label: "jobs/test".to_owned(),
        cancel: cancel.clone(),
        deadline: None,
        events: events_tx,
        progress: progress_tx,
    };
    (context, Owner { events, progress, cancel })
}

fn device(limits: LaneLimits) -> DeviceThread {
    DeviceThread::start(ThreadOptions {
        name: "cpu".to_owned(),
        device: tch::Device::Cpu,
        threads: 1,
        total_bytes: 1 << 30,
        budget_bytes: 1 << 30,
        evict_idle_models: false,
        cache: ActivationCache::new(tempfile::tempdir().unwrap().path(), 0).unwrap(),
        lanes: limits,
    })
    .unwrap()
}

fn spawn(handle: &DeviceHandle, work: Scripted, context: RunContext) -> tokio::task::JoinHandle<Result<u64>> {
    let handle = handle.clone();
    tokio::spawn(async move { handle.run(work, context).await })
}

/// Waits for a state of the device, and shows the last one if it does not come.
async fn until(handle: &DeviceHandle, wanted: impl Fn(&super::DeviceInfo) -> bool) {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        let info = handle.info();
        if wanted(&info) {
            return;
        }
        assert!(Instant::now() < give_up, "last state: {info:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn work_runs_to_its_end_and_tells_its_progress() {
    let device = device(LaneLimits::default());
    let (context, owner) = context();
    assert_eq!(device.handle.run(script(5, |_| {}), context).await.unwrap(), 5);
    let last = owner.progress.borrow().clone();
    assert_eq!((last.stage.as_str(), last.step, last.total), ("script", 5, 5));
    assert!(last.steps_per_second > 0.0);
}

#[tokio::test]
async fn cancel_takes_effect_within_one_step() {
    let device = device(LaneLimits::default());
    let (work, entered, leave) = gated(100);
    let (context, owner) = context();
    let run = spawn(&device.handle, work, context);
    tokio::task::spawn_blocking(move || {
        assert_eq!(entered.recv().unwrap(), 0);
        owner.cancel.cancel(CancelReason::Requested);
        leave.send(()).unwrap();
        assert!(entered.recv().is_err(), "no further step");
    })
    .await
    .unwrap();
    assert_eq!(run.await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
}

#[tokio::test]
async fn cancelled_work_that_waits_is_answered_before_its_turn() {
    let device = device(LaneLimits::default());
    let (work, entered, leave) = gated(3);
    let first = spawn(&device.handle, work, context().0);
    let (context, owner) = context();
    let second = spawn(&device.handle, script(1, |_| {}), context);
    until(&device.handle, |info| info.batch_waiting == 1 && info.running.is_some()).await;
    owner.cancel.cancel(CancelReason::Shutdown);
    entered.recv().unwrap();
    leave.send(()).unwrap();
    assert_eq!(second.await.unwrap().unwrap_err().reason, "DEVICE_STOPPING");
    assert!(!first.is_finished());
    (0..2).for_each(|_| leave.send(()).unwrap());
    // The owner's channels are gone, which only matters to a task that tells events.
    assert_eq!(first.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn interactive_commands_overtake_but_batch_work_moves_on() {
    let device = device(LaneLimits { burst: 2, ..LaneLimits::default() });
    let order = Arc::new(Mutex::new(String::new()));
    let (entered_tx, entered) = std_mpsc::channel();
    let (leave, may_leave) = std_mpsc::channel::<()>();
    let noted = order.clone();
    let work = script(3, move |step| {
        noted.lock().unwrap().push('s');
        if step == 0 {
            entered_tx.send(()).unwrap();
            may_leave.recv().unwrap();
        }
    });
    let (context, _owner) = context();
    let run = spawn(&device.handle, work, context);
    tokio::task::spawn_blocking(move || entered.recv().unwrap()).await.unwrap();
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (handle, noted) = (device.handle.clone(), order.clone());
            tokio::spawn(async move {
                handle
                    .call(move |_| {
                        noted.lock().unwrap().push('i');
                        Ok(())
                    })
                    .await
            })
        })
        .collect();
    until(&device.handle, |info| info.interactive_waiting == 5).await;
    leave.send(()).unwrap();
    assert_eq!(run.await.unwrap().unwrap(), 3);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), "siisiisi");
}

#[tokio::test]
async fn a_panic_fails_its_own_work_only() {
    let device = device(LaneLimits::default());
    let (panicking, _owner) = context();
    let error = device.handle.run(script(2, |step| assert_ne!(step, 1, "torn")), panicking).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::Internal, "STEP_PANICKED"));
    let error = device.handle.call(|_| -> Result<()> { panic!("torn") }).await.unwrap_err();
    assert_eq!(error.reason, "STEP_PANICKED");
    let (context, _owner) = context();
    assert_eq!(device.handle.run(script(2, |_| {}), context).await.unwrap(), 2);
    assert_eq!(device.handle.info().running, None);
}

#[tokio::test]
async fn abandoned_commands_are_skipped() {
    let device = device(LaneLimits::default());
    let (work, entered, leave) = gated(1);
    let (context, _owner) = context();
    let run = spawn(&device.handle, work, context);
    until(&device.handle, |info| info.running.is_some()).await;
    assert_eq!(entered.recv(), Ok(0));
    let ran = Arc::new(Mutex::new(false));
    let (handle, noted) = (device.handle.clone(), ran.clone());
    let call = tokio::spawn(async move {
        handle
            .call(move |_| {
                *noted.lock().unwrap() = true;
                Ok(())
            })
            .await
    });
    until(&device.handle, |info| info.interactive_waiting == 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    leave.send(()).unwrap();
    run.await.unwrap().unwrap();
    device.handle.call(|_| Ok(())).await.unwrap();
    assert!(!*ran.lock().unwrap());
}

#[tokio::test]
async fn abandoned_work_stops_after_its_step() {
    let device = device(LaneLimits::default());
    let (work, entered, leave) = gated(100);
    let (context, _owner) = context();
    let run = spawn(&device.handle, work, context);
    tokio::task::spawn_blocking(move || {
        entered.recv().unwrap();
        run.abort();
        while !run.is_finished() {
            std::thread::yield_now();
        }
        leave.send(()).unwrap();
        assert!(entered.recv().is_err(), "no further step");
    })
    .await
    .unwrap();
    until(&device.handle, |info| info.running.is_none()).await;
}

#[tokio::test]
async fn a_deadline_ends_running_and_waiting_work() {
    let device = device(LaneLimits::default());
    let (mut late, _owner) = context();
    late.deadline = Some(Instant::now() + Duration::from_millis(20));
    let endless = script(u64::MAX, |_| std::thread::sleep(Duration::from_millis(1)));
    let error = device.handle.run(endless, late).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::DeadlineExceeded, "DEADLINE_EXCEEDED"));

    let (mut expired, _owner) = context();
    expired.deadline = Some(Instant::now());
    let error = device.handle.run(script(1, |_| panic!("expired work must not run")), expired).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn events_wait_for_their_reader_and_fail_without_one() {
    fn talkative() -> Scripted {
        let action = |step, reporter: &mut dyn Reporter| reporter.event(EventBody::Stage { name: format!("{step}") });
        Scripted { steps: 20, action: Box::new(action) }
    }
    let device = device(LaneLimits::default());
    let (heard, mut owner) = context();
    let run = spawn(&device.handle, talkative(), heard);
    let mut names = Vec::new();
    while let Some(EventBody::Stage { name }) = owner.events.recv().await {
        names.push(name);
    }
    assert_eq!(names, (0..20).map(|step| step.to_string()).collect::<Vec<_>>());
    assert_eq!(run.await.unwrap().unwrap(), 20);

    let (unheard, owner) = context();
    drop(owner);
    assert_eq!(device.handle.run(talkative(), unheard).await.unwrap_err().reason, "WORK_ABANDONED");
}

#[tokio::test]
async fn full_lanes_refuse() {
    let device = device(LaneLimits { batch: 1, ..LaneLimits::default() });
    let (work, entered, leave) = gated(1);
    let (running, _owner) = context();
    let first = spawn(&device.handle, work, running);
    tokio::task::spawn_blocking(move || entered.recv().unwrap()).await.unwrap();
    let (waiting, _owner) = context();
    let second = spawn(&device.handle, script(1, |_| {}), waiting);
    until(&device.handle, |info| info.batch_waiting == 1).await;
    let (refused, _owner) = context();
    let error = device.handle.run(script(1, |_| {}), refused).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_QUEUE_FULL"));
    leave.send(()).unwrap();
    assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (1, 1));
}

#[tokio::test]
async fn closing_answers_everyone_and_joining_ends_the_thread() {
    let device = device(LaneLimits::default());
    let (work, entered, leave) = gated(100);
    let (running, _owner) = context();
    let first = spawn(&device.handle, work, running);
    tokio::task::spawn_blocking(move || entered.recv().unwrap()).await.unwrap();
    let (waiting, _owner) = context();
    let second = spawn(&device.handle, script(1, |_| {}), waiting);
    let handle = device.handle.clone();
    let call = tokio::spawn(async move { handle.call(|_| Ok(7)).await });
    until(&device.handle, |info| (info.batch_waiting, info.interactive_waiting) == (1, 1)).await;

    device.close();
    let refused: Error = device.handle.call(|_| Ok(())).await.unwrap_err();
    assert_eq!((refused.kind, refused.reason), (ErrorKind::Unavailable, "DEVICE_STOPPING"));
    leave.send(()).unwrap();
    assert_eq!(call.await.unwrap().unwrap(), 7);
    assert_eq!(first.await.unwrap().unwrap_err().reason, "DEVICE_STOPPING");
    assert_eq!(second.await.unwrap().unwrap_err().reason, "DEVICE_STOPPING");
    let handle = device.handle.clone();
    tokio::task::spawn_blocking(move || device.join()).await.unwrap();
    assert!(!handle.info().healthy);
}

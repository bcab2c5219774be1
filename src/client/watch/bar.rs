//! Progress on standard error: a bar for the present stage on a terminal, a line a stage elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use prost_types::Timestamp;

use crate::client::output::Output;
use crate::client::table;
use crate::client::words::Words;
use crate::pb::v1::job::State;
use crate::pb::v1::job_event::message::Severity;
use crate::pb::v1::job_event::{Body, StateChange};
use crate::pb::v1::{JobEvent, JobProgress};

const TEMPLATE: &str = "{spinner} {prefix:<18} {bar:30.cyan/dim} {pos}/{len} {msg}";

/// What a person sees of a running job.
#[derive(Debug)]
pub(super) struct ProgressBars {
    output: Output,
    bar: Option<ProgressBar>,
    stage: String,
    /// When the stage began, by the daemon's clock.
    since: Option<Timestamp>,
}

impl ProgressBars {
    pub(super) fn new(output: Output) -> Self {
        Self { output, bar: output.shows_bars().then(bar), stage: String::new(), since: None }
    }

    pub(super) fn show(&mut self, event: &JobEvent) {
        match &event.body {
            Some(Body::State(change)) => self.show_state(change, event.time),
            Some(Body::Stage(stage)) => self.begin_stage(&stage.name, event.time),
            Some(Body::Progress(progress)) => self.show_progress(progress),
            Some(Body::Message(said)) if said.severity() == Severity::Warning => self.say(&warning(&said.text)),
            Some(Body::Message(said)) => self.say(&said.text),
            Some(Body::Metric(_) | Body::Checkpoint(_) | Body::Plan(_) | Body::Result(_) | Body::Heartbeat(_))
            | None => {}
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn show_state(&mut self, change: &StateChange, time: Option<Timestamp>) {
        match change.state() {
            State::Queued => self.prefix("queued"),
            State::Interrupted => {
                self.stage.clear();
                self.say("the daemon stopped; the job goes on after its restart");
            }
            State::Running if change.attempt > 1 => self.say(&format!("taken up again (attempt {})", change.attempt)),
            State::Running | State::Cancelling => self.prefix(change.state().word()),
            State::Succeeded => self.end_stage(time),
            State::Unspecified | State::Failed | State::Cancelled => self.stage.clear(),
        }
    }

    fn begin_stage(&mut self, name: &str, time: Option<Timestamp>) {
        self.end_stage(time);
        name.clone_into(&mut self.stage);
        self.since = time;
        self.prefix(name);
    }

    /// Leaves a line behind for the stage that is over.
    fn end_stage(&mut self, time: Option<Timestamp>) {
        if self.stage.is_empty() {
            return;
        }
        let took = self.since.zip(time).map(|(since, time)| seconds_between(since, time));
        let mark = console::style("✓").for_stderr().green();
        let line = format!("{mark} {:<18} {}", self.stage, table::optional(took, table::seconds));
        self.say(&line);
        self.stage.clear();
    }

    fn show_progress(&mut self, progress: &JobProgress) {
        let Some(bar) = &self.bar else { return };
        bar.set_length(progress.total.max(0).unsigned_abs());
        bar.set_position(progress.step.max(0).unsigned_abs());
        bar.set_message(rate_and_rest(progress));
        if !progress.stage.is_empty() {
            self.prefix(&progress.stage);
        }
    }

    fn prefix(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(text.to_owned());
        }
    }

    /// Above the bar, or as a remark without one.
    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.output.note(text),
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is well formed").progress_chars("━━─");
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

fn seconds_between(since: Timestamp, time: Timestamp) -> f64 {
    (time.seconds - since.seconds) as f64 + f64::from(time.nanos - since.nanos) / 1e9
}

/// `41.2/s, 12.0 s left`
fn rate_and_rest(progress: &JobProgress) -> String {
    let rate = format!("{:.1}/s", progress.steps_per_second);
    match progress.eta_seconds {
        Some(rest) => format!("{rate}, {} left", table::seconds(rest)),
        None => rate,
    }
}

fn warning(text: &str) -> String {
    format!("{} {text}", console::style("warning:").for_stderr().yellow().bold())
}

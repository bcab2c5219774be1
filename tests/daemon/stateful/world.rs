//! What must be, by the answers so far.

use std::collections::{BTreeMap, BTreeSet};

use tonic::{Code, Status};
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::job::State;

use super::action::Action;
use super::seen::Seen;
use crate::support::shapes::Shapes;

#[derive(Debug, Clone, PartialEq)]
struct Model {
    served: String,
    /// Those that were seen; jobs under way may add others.
    versions: BTreeSet<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Job {
    model: String,
    /// How often a model of this name had been made; another one does not have this job's version.
    generation: u32,
    cancelled: bool,
    /// Once it was seen at its end.
    end: Option<State>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct World {
    models: BTreeMap<String, Model>,
    datasets: BTreeSet<String>,
    pub(super) jobs: BTreeMap<String, Job>,
    /// Also those that were deleted: their versions stay.
    jobs_ever: BTreeSet<String>,
    versions_deleted: BTreeSet<String>,
    generations: BTreeMap<String, u32>,
    /// One file is behind all datasets.
    content_hash: Option<String>,
}

/// Whether the answer was lost, so that nobody knows what became of the call.
pub(super) fn is_broken_connection(status: &Status) -> bool {
    let told = tonic_types::StatusExt::get_details_error_info(status).is_some();
    !told && matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled)
}

impl World {
    pub(super) fn versions(&self) -> Vec<String> {
        self.models.values().flat_map(|model| model.versions.iter().cloned()).collect()
    }

    pub(super) fn summary(&self) -> String {
        let World { models, datasets, jobs, .. } = self;
        format!(
            "{} models, {} versions, {} datasets, {} jobs",
            models.len(),
            self.versions().len(),
            datasets.len(),
            jobs.len()
        )
    }

    /// Whether what the action is about is there; for those that make something, whether it can be made.
    fn allows(&self, action: &Action) -> bool {
        let has_model = |model: &str| self.models.contains_key(&format!("models/{model}"));
        match action {
            Action::Create { model } => !has_model(model),
            Action::Delete { model } | Action::Load { model } | Action::Unload { model } => has_model(model),
            Action::Promote { version } | Action::DeleteVersion { version } => self.versions().contains(version),
            Action::Register { dataset } => !self.datasets.contains(&format!("datasets/{dataset}")),
            Action::Forget { dataset } => self.datasets.contains(&format!("datasets/{dataset}")),
            Action::Train { model, dataset, .. } => {
                has_model(model) && self.datasets.contains(&format!("datasets/{dataset}"))
            }
            Action::Cancel { job } | Action::DeleteJob { job } => self.jobs.contains_key(job),
        }
    }

    /// Takes an answer for the truth, if it is one that may be given.
    pub(super) fn answered(&mut self, action: &Action, answer: Result<Option<String>, Status>) {
        let allows = self.allows(action);
        match answer {
            Ok(job) => {
                assert!(allows, "{action:?} was done, though it cannot be: {self:#?}");
                self.apply(action, job);
            }
            Err(status) => assert!(may_refuse(action, allows, status.code()), "{action:?}, {allows}: {status:?}"),
        }
    }

    fn apply(&mut self, action: &Action, job: Option<String>) {
        match action.clone() {
            Action::Create { model } => {
                let name = format!("models/{model}");
                let first = format!("{name}/versions/1");
                self.versions_deleted.retain(|version| !version.starts_with(&format!("{name}/")));
                *self.generations.entry(name.clone()).or_default() += 1;
                self.models.insert(name, Model { served: first.clone(), versions: [first].into() });
            }
            Action::Delete { model } => {
                self.models.remove(&format!("models/{model}"));
            }
            Action::Load { .. } | Action::Unload { .. } => {}
            Action::Promote { version } => self.model_of(&version).served.clone_from(&version),
            Action::DeleteVersion { version } => {
                self.model_of(&version).versions.remove(&version);
                self.versions_deleted.insert(version);
            }
            Action::Register { dataset } => {
                self.datasets.insert(format!("datasets/{dataset}"));
            }
            Action::Forget { dataset } => {
                self.datasets.remove(&format!("datasets/{dataset}"));
            }
            Action::Train { model, .. } => {
                let job = job.expect("training answers a job");
                let model = format!("models/{model}");
                let generation = self.generations[&model];
                self.jobs_ever.insert(job.clone());
                self.jobs.insert(job, Job { model, generation, ..Job::default() });
            }
            Action::Cancel { job } => {
                let job = self.jobs.get_mut(&job).expect("allowed");
                job.cancelled |= job.end.is_none();
            }
            Action::DeleteJob { job } => {
                self.jobs.remove(&job);
            }
        }
    }

    fn model_of(&mut self, version: &str) -> &mut Model {
        let model = version.rsplit_once("/versions/").expect("a version").0;
        self.models.get_mut(model).expect("allowed")
    }

    /// Finds out what became of a call whose answer was lost.
    pub(super) async fn unanswered(&mut self, action: &Action, shapes: &Shapes) {
        let seen = Seen::read(shapes).await;
        if let Action::Train { .. } = action {
            return self.asked_again(action, &seen, shapes).await;
        }
        if !self.allows(action) {
            return;
        }
        let mut after = self.clone();
        after.apply(action, None);
        if after.difference(&seen).is_none() {
            *self = after;
        }
    }

    /// The same request id makes one job, whether the first request was heard or not.
    async fn asked_again(&mut self, action: &Action, seen: &Seen, shapes: &Shapes) {
        let unknown: Vec<&String> = seen.jobs.keys().filter(|job| !self.jobs.contains_key(*job)).collect();
        assert!(unknown.len() <= 1, "{unknown:?}");
        let answer = action.perform(shapes).await;
        if let (Some(made), Ok(Some(job))) = (unknown.first(), &answer) {
            assert_eq!(*made, job, "one job for one request id");
        }
        assert!(unknown.is_empty() || answer.is_ok(), "{answer:?}");
        self.answered(action, answer);
    }

    /// Waits until no job is under way, and remembers how each ended.
    pub(super) async fn settle(&mut self, shapes: &Shapes) {
        for (name, job) in &mut self.jobs {
            if job.end.is_none() {
                let done = shapes.finished(name).await;
                check_end(job, &done);
                job.end = Some(done.state());
            }
        }
        self.compare(shapes).await;
        self.results_are_there(&Seen::read(shapes).await);
    }

    /// A job that succeeded has left its version, unless that or its model was deleted since.
    fn results_are_there(&self, seen: &Seen) {
        use pb::job_result::Result as Outcome;
        for (name, job) in &self.jobs {
            let result = seen.jobs[name].result.clone().and_then(|result| result.result);
            let Some(Outcome::FineTune(result)) = result else { continue };
            if let Some((_, versions)) = seen.models.get(&job.model)
                && self.generations[&job.model] == job.generation
                && !self.versions_deleted.contains(&result.version)
            {
                assert_eq!(versions.get(&result.version), Some(name), "the version of a job that succeeded: {seen:#?}");
            }
        }
    }

    /// Holds the daemon to what must be, and takes over what jobs have made meanwhile.
    pub(super) async fn compare(&mut self, shapes: &Shapes) {
        let seen = Seen::read(shapes).await;
        if let Some(difference) = self.difference(&seen) {
            panic!("{difference}\nmust be {self:#?}\nis {seen:#?}");
        }
        for (name, (_, versions)) in seen.models {
            let model = self.models.get_mut(&name).expect("compared");
            model.versions.extend(versions.into_keys());
        }
        self.content_hash = self.content_hash.take().or_else(|| seen.datasets.values().next().cloned());
    }

    fn difference(&self, seen: &Seen) -> Option<String> {
        let differ = |what: &str, must: Vec<&String>, is: Vec<&String>| {
            (must != is).then(|| format!("{what} must be {must:?} and are {is:?}"))
        };
        differ("models", self.models.keys().collect(), seen.models.keys().collect())
            .or_else(|| differ("datasets", self.datasets.iter().collect(), seen.datasets.keys().collect()))
            .or_else(|| differ("jobs", self.jobs.keys().collect(), seen.jobs.keys().collect()))
            .or_else(|| self.models.iter().find_map(|(name, model)| self.model_differs(model, &seen.models[name])))
            .or_else(|| self.jobs.iter().find_map(|(name, job)| job_differs(job, &seen.jobs[name])))
            .or_else(|| self.data_differ(seen))
    }

    fn model_differs(&self, model: &Model, (served, versions): &(String, BTreeMap<String, String>)) -> Option<String> {
        if *served != model.served {
            return Some(format!("{} must be served and {served} is", model.served));
        }
        if let Some(lost) = model.versions.iter().find(|version| !versions.contains_key(*version)) {
            return Some(format!("{lost} is lost"));
        }
        let is_new = |version: &String| !model.versions.contains(version);
        let unexplained = versions.iter().find(|(version, job)| is_new(version) && !self.jobs_ever.contains(*job));
        unexplained.map(|(version, job)| format!("{version} comes from nowhere (`{job}`)"))
    }

    fn data_differ(&self, seen: &Seen) -> Option<String> {
        let hash = self.content_hash.as_ref()?;
        let other = seen.datasets.iter().find(|(_, other)| *other != hash);
        other.map(|(name, other)| format!("{name} holds {other}, not {hash}"))
    }
}

/// The refusals that go with what is there; a thing that is there may be in use.
fn may_refuse(action: &Action, allows: bool, code: Code) -> bool {
    match (allows, code) {
        (true, Code::FailedPrecondition) => true,
        (true, Code::ResourceExhausted) => matches!(action, Action::Train { .. }),
        (false, Code::AlreadyExists) => matches!(action, Action::Create { .. } | Action::Register { .. }),
        (false, Code::NotFound) => !matches!(action, Action::Create { .. } | Action::Register { .. }),
        _ => false,
    }
}

fn job_differs(job: &Job, seen: &pb::Job) -> Option<String> {
    let end = job.end?;
    (end != seen.state()).then(|| format!("{} ended {end:?} and is {:?}", seen.name, seen.state()))
}

/// Two deaths at one step are the only way in which one of these jobs can fail.
fn check_end(job: &Job, done: &pb::Job) {
    let message = done.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
    match done.state() {
        State::Succeeded => {}
        State::Cancelled => assert!(job.cancelled, "{} was cancelled by nobody: {message}", done.name),
        State::Failed => assert!(message.contains("died"), "{}: {message}", done.name),
        State::Unspecified | State::Queued | State::Running | State::Cancelling | State::Interrupted => {
            panic!("{} is still under way", done.name)
        }
    }
}

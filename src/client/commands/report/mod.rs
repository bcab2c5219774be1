//! `unlearnctl report`

mod pictures;

use std::path::PathBuf;

use clap::Args;

use super::submitted;
use crate::client::error::{Error, Result};
use crate::client::names;
use crate::client::report::{self, JobData};
use crate::client::session::Session;
use crate::client::view::CompareView;
use crate::client::watch;
use crate::pb::v1::job_event::Body;
use crate::pb::v1::{GetModelVersionRequest, JobMetric, UnlearnResult, job_result};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Finished unlearning jobs, in the order of the report. LABEL=JOB gives one a name of your own.
    #[arg(required = true, value_name = "[LABEL=]JOB")]
    jobs: Vec<String>,
    /// File to write.
    #[arg(long, short, default_value = "unlearn-report.html", value_name = "FILE")]
    output: PathBuf,
    /// Heading of the report.
    #[arg(long, default_value = "Unlearning report")]
    title: String,
    /// What to call the reference in the comparison.
    #[arg(long, default_value = "reference", value_name = "LABEL")]
    reference_label: String,
    /// Samples of each forget set to show heat maps of, before and after; 0 for none, 32 at most.
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=32))]
    heat_maps: u32,
}

pub(super) async fn run(session: &Session, args: ReportArgs) -> Result<()> {
    let mut jobs = Vec::new();
    for job in &args.jobs {
        jobs.push(Box::pin(fetch(session, job, args.heat_maps)).await?);
    }
    let reference_seconds = reference_seconds(session, &jobs).await;
    let views: Vec<_> = jobs.iter().map(|job| (job.label.clone(), job.view())).collect();
    let compared = CompareView::of(&views, &args.reference_label, reference_seconds);
    let html = report::page(&args.title, &compared, &jobs);
    std::fs::write(&args.output, html).map_err(|error| Error::file("write", &args.output, error))?;
    session.output.show(&CompareView { path: Some(args.output.display().to_string()), ..compared })
}

/// `LABEL=JOB` or `JOB`.
async fn fetch(session: &Session, argument: &str, heat_maps: u32) -> Result<JobData> {
    let (label, name) = argument.split_once('=').map_or((None, argument), |(label, name)| (Some(label), name));
    let job = submitted::get(session, &names::job(name)).await?;
    submitted::check_succeeded(&job)?;
    let result = unlearn_result(job.result.as_ref()).ok_or_else(|| {
        Error::Usage(format!("{} is no unlearning job; reports are made of `unlearnctl unlearn` jobs", job.name))
    })?;
    let metrics = metrics(session, &job.name).await?;
    let pictures = pictures::fetch(session, &job, &result, heat_maps).await;
    Ok(JobData::new(label, job, result, metrics).with_pictures(pictures))
}

fn unlearn_result(result: Option<&crate::pb::v1::JobResult>) -> Option<UnlearnResult> {
    match result?.result.as_ref()? {
        job_result::Result::Unlearn(result) => Some(result.clone()),
        job_result::Result::FineTune(_)
        | job_result::Result::Evaluation(_)
        | job_result::Result::Membership(_)
        | job_result::Result::ConceptBank(_)
        | job_result::Result::Concepts(_)
        | job_result::Result::Attribution(_) => None,
    }
}

async fn metrics(session: &Session, job: &str) -> Result<Vec<JobMetric>> {
    let mut metrics = Vec::new();
    watch::follow(session, job, 0, |event| {
        if let Some(Body::Metric(metric)) = &event.body {
            metrics.push(metric.clone());
        }
        Ok(())
    })
    .await?;
    Ok(metrics)
}

/// What training the reference took, where the daemon still knows: the price that unlearning saves.
async fn reference_seconds(session: &Session, jobs: &[JobData]) -> Option<f64> {
    let name = jobs.iter().find_map(JobData::reference)?;
    let version = session.models().get_model_version(GetModelVersionRequest { name }).await.ok()?.into_inner();
    let job = submitted::get(session, &version.job).await.ok()?;
    match job.result?.result? {
        job_result::Result::FineTune(result) => Some(result.seconds),
        job_result::Result::Unlearn(_)
        | job_result::Result::Evaluation(_)
        | job_result::Result::Membership(_)
        | job_result::Result::ConceptBank(_)
        | job_result::Result::Concepts(_)
        | job_result::Result::Attribution(_) => None,
    }
}

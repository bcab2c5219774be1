//! A dataset's attributions, written by a job.

use super::AttributeArgs;
use crate::client::commands::submitted;
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::pb::v1::{AttributeDatasetRequest, DataSource};

fn request(args: &AttributeArgs, source: &DataSource) -> Result<AttributeDatasetRequest> {
    Ok(AttributeDatasetRequest {
        model: names::model(&args.model),
        source: Some(source.clone()),
        selector: args.selection.selector(args.attribution.seed),
        attribution: Some(args.attribution.message()?),
        target_class: args.target.clone().unwrap_or_default(),
        uri: args.file.uri.clone().unwrap_or_default(),
        overwrite: args.file.overwrite,
        max_samples: args.file.max_samples.unwrap_or_default(),
        request_id: request_id(),
        priority: args.submission.priority(),
        timeout: args.submission.timeout(),
    })
}

pub(super) async fn run(session: &Session, args: &AttributeArgs, source: &DataSource) -> Result<()> {
    let request = request(args, source)?;
    let operation = session.attributions().attribute_dataset(request).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

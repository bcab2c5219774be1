//! Attribution jobs: the options fit the model, the samples and the class are there, the target can be written.

use super::super::attribution::complete;
use super::super::classes::{class_named, class_names};
use super::super::core::Core;
use super::super::export::check_target;
use super::super::failure::blocking;
use super::super::sources::Role;
use super::pinned;
use crate::domain::Result;
use crate::domain::attribution::AttributeDatasetSpec;

pub(super) async fn admit_attribution(core: &Core, mut spec: AttributeDatasetSpec) -> Result<AttributeDatasetSpec> {
    let model = core.find_model(&spec.model).await?;
    spec.model = pinned(&model);
    spec.options = complete(spec.options, model.spec()).map_err(|error| error.under("attribution"))?;
    let samples = core.find_samples(&spec.source, Role::Asked, &spec.selector, model.spec()).await?;
    if !spec.target_class.is_empty() {
        let names = class_names(model.spec(), &samples.dataset.class_names);
        let class = class_named(&spec.target_class, names, model.spec().class_count);
        class.map_err(|error| error.under("target_class"))?;
    }
    if !spec.uri.is_empty() {
        let (roots, uri, overwrite) = (core.roots.clone(), spec.uri.clone(), spec.overwrite);
        blocking(move || check_target(&roots.resolve_for_writing(&uri, "uri")?, &uri, overwrite)).await?;
    }
    Ok(spec)
}

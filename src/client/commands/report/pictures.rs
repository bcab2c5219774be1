//! The pictures of a report: what shows the forgotten class's concepts, and where the model looks before and after. Left out
//! where the daemon no longer has what they need; a report is never refused for them.

use std::collections::BTreeMap;

use crate::client::report::{HeatMaps, Pictures};
use crate::client::session::Session;
use crate::pb::v1::attribute_request::Input;
use crate::pb::v1::attribute_request::input::{Image, Sample};
use crate::pb::v1::poison_plan::Preview;
use crate::pb::v1::{
    AttributeRequest, DataSource, GetConceptBankRequest, Job, LabelStrategy, PlanPoisoningRequest, PoisonImageMode,
    PoisonSpec, UnlearnResult, job_spec,
};

const EXAMPLES_PER_CONCEPT: u32 = 3;

pub(super) async fn fetch(session: &Session, job: &Job, result: &UnlearnResult, heat_maps: u32) -> Pictures {
    let concepts = concepts(session, result).await.unwrap_or_default();
    let heat_maps = if heat_maps > 0 { heat_maps_of(session, job, result, heat_maps).await } else { None };
    Pictures { concepts, heat_maps: heat_maps.unwrap_or_default() }
}

/// Example images by concept.
async fn concepts(session: &Session, result: &UnlearnResult) -> Option<BTreeMap<String, Vec<Vec<u8>>>> {
    let name = result.concepts.as_ref()?.concept_bank.clone();
    let request = GetConceptBankRequest { name, examples: EXAMPLES_PER_CONCEPT };
    let bank = session.concepts().get_concept_bank(request).await.ok()?.into_inner();
    let shown = bank.concepts.into_iter().filter(|concept| !concept.examples.is_empty());
    Some(shown.map(|concept| (concept.name, concept.examples)).collect())
}

/// Of samples of the forget set: why they are, and were, taken for their own class.
async fn heat_maps_of(session: &Session, job: &Job, result: &UnlearnResult, count: u32) -> Option<Vec<HeatMaps>> {
    let Some(job_spec::Request::Unlearn(request)) = job.spec.as_ref()?.request.as_ref() else { return None };
    let (poison, parent) = (request.poison.as_ref()?, &result.before.as_ref()?.version);
    let previews = forget_samples(session, poison, parent, count).await?;
    let source = poison.train.as_ref()?;
    let before = attribute(session, parent, source, &previews).await?;
    let after = attribute(session, &result.version, source, &previews).await?;
    let maps = previews.into_iter().zip(before.into_iter().zip(after));
    Some(maps.map(|(of, (before, after))| HeatMaps { class: of.class_name, image: of.before, before, after }).collect())
}

/// Samples of the forget set, by a plan that needs no donor and so no pass through the model.
async fn forget_samples(session: &Session, poison: &PoisonSpec, model: &str, count: u32) -> Option<Vec<Preview>> {
    let poison = PoisonSpec {
        model: model.to_owned(),
        labels: LabelStrategy::Random.into(),
        donor: None,
        selection: None,
        image_mode: PoisonImageMode::None.into(),
        ..poison.clone()
    };
    let request =
        PlanPoisoningRequest { poison: Some(poison), preview_count: count, ..PlanPoisoningRequest::default() };
    Some(session.unlearning().plan_poisoning(request).await.ok()?.into_inner().previews)
}

/// A heat map for each sample, or none at all.
async fn attribute(session: &Session, model: &str, source: &DataSource, of: &[Preview]) -> Option<Vec<Vec<u8>>> {
    let input = |preview: &Preview| Input {
        image: Some(Image::Sample(Sample { source: Some(source.clone()), index: preview.index })),
        target_class: preview.class_name.clone(),
    };
    let request = AttributeRequest {
        model: model.to_owned(),
        inputs: of.iter().map(input).collect(),
        heat_map: true,
        omit_values: true,
        ..AttributeRequest::default()
    };
    let mut responses = session.attributions().attribute(request).await.ok()?.into_inner();
    let mut maps = Vec::new();
    while let Some(response) = responses.message().await.ok()? {
        maps.push(response.heat_map);
    }
    (maps.len() == of.len() && maps.iter().all(|map| !map.is_empty())).then_some(maps)
}

//! concepts.proto: banks and extraction. Reports are in `concept_report`.

use super::common::{each, precision, request_id, required_source, selector, short_text, timestamp};
use super::fields::{at_most, known, number, or, parsed, required, required_text, within};
use crate::domain::concept::{
    BankOrigin, CavMethod, CavSpec, Concept, ConceptBankRecord, ConceptExamples, ConceptSource, ExampleSet,
    LearnConceptsSpec, MarginStats,
};
use crate::domain::{Error, Result};
use crate::engine::{ImportConceptBank, MAX_EXAMPLES};
use crate::pb::v1 as pb;
use crate::pb::v1::learn_concept_bank_request::{
    Discovery, ExampleSet as WireSet, Examples, Folder, Procedural, Source,
};

const MAX_CONCEPTS: usize = 10_000;
const MAX_EXAMPLES_PER_SIDE: u32 = 5_000;
const MAX_STRENGTHS: usize = 32;
const MAX_PARTS: u32 = 64;
const MAX_DISCOVERY_SAMPLES: u32 = 100_000;
const DEFAULT_PARTS: u32 = 16;
const DEFAULT_DISCOVERY_SAMPLES: u32 = 10_000;

impl TryFrom<pb::LearnConceptBankRequest> for LearnConceptsSpec {
    type Error = Error;

    fn try_from(value: pb::LearnConceptBankRequest) -> Result<Self> {
        let pb::LearnConceptBankRequest {
            concept_bank_id,
            model,
            source,
            cav,
            precision: precision_number,
            seed,
            request_id: _,
            priority: _,
            timeout: _,
        } = value;
        let missing = "is required: give `examples`, `folder`, `procedural` or `discovery`";
        let source = source.ok_or_else(|| Error::invalid("MISSING_FIELD", "source", missing))?;
        Ok(Self {
            bank: parsed(&concept_bank_id, "concept_bank_id")?,
            model: parsed(&model, "model")?,
            source: ConceptSource::try_from(source)?,
            cav: CavSpec::try_from(cav.unwrap_or_default()).map_err(|error| error.under("cav"))?,
            precision: precision(precision_number, "precision")?,
            seed,
        })
    }
}

impl From<LearnConceptsSpec> for pb::LearnConceptBankRequest {
    fn from(value: LearnConceptsSpec) -> Self {
        let LearnConceptsSpec { bank, model, source, cav, precision, seed } = value;
        Self {
            concept_bank_id: bank.id().to_owned(),
            model: model.to_string(),
            source: Some(source.into()),
            cav: Some(cav.into()),
            precision: pb::Precision::from(precision).into(),
            seed,
            ..Self::default()
        }
    }
}

impl TryFrom<Source> for ConceptSource {
    type Error = Error;

    fn try_from(value: Source) -> Result<Self> {
        match value {
            Source::Examples(Examples { concepts }) => {
                named_examples(concepts).map_err(|error| error.under("examples"))
            }
            Source::Folder(Folder { dataset }) => Ok(Self::Dataset(parsed(&dataset, "folder.dataset")?)),
            Source::Procedural(Procedural { concepts }) => {
                at_most(concepts.len(), MAX_CONCEPTS, "procedural.concepts")?;
                distinct(&concepts, |index| format!("procedural.concepts[{index}]"))?;
                Ok(Self::Procedural(concepts))
            }
            Source::Discovery(discovery) => discovered(discovery).map_err(|error| error.under("discovery")),
        }
    }
}

fn named_examples(concepts: Vec<pb::learn_concept_bank_request::examples::Concept>) -> Result<ConceptSource> {
    use pb::learn_concept_bank_request::examples::Concept;
    if concepts.is_empty() {
        return Err(Error::invalid("MISSING_FIELD", "concepts", "is required: name at least one concept"));
    }
    at_most(concepts.len(), MAX_CONCEPTS, "concepts")?;
    let names: Vec<String> = concepts.iter().map(|concept| concept.name.clone()).collect();
    distinct(&names, |index| format!("concepts[{index}].name"))?;
    let concepts = each(concepts, "concepts", |Concept { name, positives, negatives }| {
        Ok(ConceptExamples {
            name: short_text(required_text(name, "name")?, "name")?,
            positives: example_set(positives, "positives")?,
            negatives: example_set(negatives, "negatives")?,
        })
    })?;
    Ok(ConceptSource::Examples(concepts))
}

/// About the second of two equal names.
fn distinct(names: &[String], field: impl Fn(usize) -> String) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let Some(index) = names.iter().position(|name| !seen.insert(name)) else { return Ok(()) };
    let description = format!("`{}` is named twice; concepts need different names", names[index]);
    Err(Error::invalid("DUPLICATE_CONCEPT_NAME", field(index), description))
}

fn example_set(value: Option<WireSet>, field: &str) -> Result<ExampleSet> {
    let WireSet { source, selector: selected } = required(value, field)?;
    let set =
        || Ok(ExampleSet { source: required_source(source, "source")?, selector: selector(selected, "selector")? });
    set().map_err(|error: Error| error.under(field))
}

fn discovered(value: Discovery) -> Result<ConceptSource> {
    let Discovery { examples, concept_count, max_samples } = value;
    Ok(ConceptSource::Discovery {
        examples: example_set(examples, "examples")?,
        concept_count: within(or(concept_count, DEFAULT_PARTS), 2..=MAX_PARTS, "concept_count")?,
        max_samples: within(or(max_samples, DEFAULT_DISCOVERY_SAMPLES), 2..=MAX_DISCOVERY_SAMPLES, "max_samples")?,
    })
}

impl From<ConceptSource> for Source {
    fn from(value: ConceptSource) -> Self {
        use pb::learn_concept_bank_request::examples::Concept;
        let concept = |ConceptExamples { name, positives, negatives }| Concept {
            name,
            positives: Some(WireSet::from(positives)),
            negatives: Some(WireSet::from(negatives)),
        };
        match value {
            ConceptSource::Examples(concepts) => {
                Self::Examples(Examples { concepts: concepts.into_iter().map(concept).collect() })
            }
            ConceptSource::Dataset(dataset) => Self::Folder(Folder { dataset: dataset.to_string() }),
            ConceptSource::Procedural(concepts) => Self::Procedural(Procedural { concepts }),
            ConceptSource::Discovery { examples, concept_count, max_samples } => {
                Self::Discovery(Discovery { examples: Some(examples.into()), concept_count, max_samples })
            }
        }
    }
}

impl From<ExampleSet> for WireSet {
    fn from(value: ExampleSet) -> Self {
        let ExampleSet { source, selector } = value;
        Self { source: Some(source.into()), selector: Some(selector.into()) }
    }
}

impl TryFrom<pb::CavSpec> for CavSpec {
    type Error = Error;

    fn try_from(value: pb::CavSpec) -> Result<Self> {
        let pb::CavSpec { method, examples_per_side, c_grid } = value;
        let default = Self::default();
        at_most(c_grid.len(), MAX_STRENGTHS, "c_grid")?;
        let positive = |c| number(c, |c| c > 0.0 && c <= 1e6, "above 0 and at most 1000000", "");
        Ok(Self {
            method: cav_method(method)?,
            examples_per_side: within(
                examples_per_side.unwrap_or(default.examples_per_side),
                2..=MAX_EXAMPLES_PER_SIDE,
                "examples_per_side",
            )?,
            c_grid: if c_grid.is_empty() { default.c_grid } else { each(c_grid, "c_grid", positive)? },
        })
    }
}

impl From<CavSpec> for pb::CavSpec {
    fn from(value: CavSpec) -> Self {
        let CavSpec { method, examples_per_side, c_grid } = value;
        Self { method: pb::CavMethod::from(method).into(), examples_per_side: Some(examples_per_side), c_grid }
    }
}

fn cav_method(number: i32) -> Result<CavMethod> {
    Ok(match known(number, "method")? {
        pb::CavMethod::Unspecified | pb::CavMethod::SvcHinge => CavMethod::SvcHinge,
        pb::CavMethod::Logistic => CavMethod::Logistic,
        pb::CavMethod::Ridge => CavMethod::Ridge,
        pb::CavMethod::MeanDifference => CavMethod::MeanDifference,
    })
}

impl From<CavMethod> for pb::CavMethod {
    fn from(value: CavMethod) -> Self {
        match value {
            CavMethod::SvcHinge => Self::SvcHinge,
            CavMethod::Logistic => Self::Logistic,
            CavMethod::Ridge => Self::Ridge,
            CavMethod::MeanDifference => Self::MeanDifference,
        }
    }
}

impl TryFrom<pb::ImportConceptBankRequest> for ImportConceptBank {
    type Error = Error;

    fn try_from(value: pb::ImportConceptBankRequest) -> Result<Self> {
        let pb::ImportConceptBankRequest {
            concept_bank_id,
            model,
            uri,
            names,
            normalize_input,
            licence,
            request_id: id,
        } = value;
        at_most(names.len(), MAX_CONCEPTS * 10, "names")?;
        Ok(Self {
            id: parsed(&concept_bank_id, "concept_bank_id")?,
            model: parsed(&model, "model")?,
            uri: required_text(uri, "uri")?,
            names,
            normalize_input,
            licence: short_text(licence, "licence")?,
            request_id: request_id(id)?,
        })
    }
}

/// How many example images of each concept an answer shows.
pub(in crate::rpc) fn example_count(stated: u32) -> Result<usize> {
    within(stated, 0..=MAX_EXAMPLES as u32, "examples").map(|count| count as usize)
}

impl From<BankOrigin> for pb::concept_bank::Origin {
    fn from(value: BankOrigin) -> Self {
        match value {
            BankOrigin::Examples => Self::Examples,
            BankOrigin::Dataset => Self::Folder,
            BankOrigin::Procedural => Self::Procedural,
            BankOrigin::Discovered => Self::Discovered,
            BankOrigin::Imported => Self::Imported,
        }
    }
}

impl pb::ConceptBank {
    /// `examples`: PNG images of each concept; may be shorter than the concepts.
    pub(in crate::rpc) fn with_examples(value: ConceptBankRecord, examples: Vec<Vec<Vec<u8>>>) -> Self {
        let ConceptBankRecord {
            id,
            model,
            prefix_hash,
            dim,
            origin,
            method,
            concepts,
            duplicates,
            normalize_input,
            spec: _,
            licence,
            explained,
            provenance,
            sha256,
            size_bytes,
            create_time,
        } = value;
        let name = |index: u32| concepts.get(index as usize).map(|concept| concept.name.clone()).unwrap_or_default();
        let duplicates = duplicates.into_iter().map(|(first, second, cosine)| pb::concept_bank::Duplicate {
            first: name(first),
            second: name(second),
            cosine,
        });
        let duplicates = duplicates.collect();
        let examples = examples.into_iter().chain(std::iter::repeat(Vec::new()));
        Self {
            name: id.to_string(),
            model_version: model.to_string(),
            prefix_hash,
            dimension: dim,
            origin: pb::concept_bank::Origin::from(origin).into(),
            method: learnt_by(origin, method).into(),
            concepts: concepts
                .into_iter()
                .zip(examples)
                .map(|(concept, images)| wire_concept(concept, images))
                .collect(),
            duplicates,
            normalize_input,
            licence,
            explained_share: explained,
            provenance: Some(provenance.into()),
            sha256,
            size_bytes,
            create_time: timestamp(create_time),
        }
    }
}

impl From<ConceptBankRecord> for pb::ConceptBank {
    fn from(value: ConceptBankRecord) -> Self {
        Self::with_examples(value, Vec::new())
    }
}

/// Vectors that were not learnt between examples have no method.
fn learnt_by(origin: BankOrigin, method: CavMethod) -> pb::CavMethod {
    match origin {
        BankOrigin::Examples | BankOrigin::Dataset | BankOrigin::Procedural => method.into(),
        BankOrigin::Discovered | BankOrigin::Imported => pb::CavMethod::Unspecified,
    }
}

fn wire_concept(value: Concept, examples: Vec<Vec<u8>>) -> pb::Concept {
    let Concept { name, quality, best_samples: _ } = value;
    let Some(quality) = quality else { return pb::Concept { name, examples, ..pb::Concept::default() } };
    pb::Concept {
        name,
        train_accuracy: quality.train_accuracy,
        validation_accuracy: Some(quality.validation.value),
        validation_low: quality.validation.low,
        validation_high: quality.validation.high,
        validation_auc: quality.validation_auc,
        c: quality.c,
        positives: Some(quality.positives.into()),
        negatives: Some(quality.negatives.into()),
        unreliable: quality.unreliable,
        examples,
    }
}

impl From<MarginStats> for pb::concept::Margin {
    fn from(value: MarginStats) -> Self {
        let MarginStats { count, mean, std, q10, q90, min, max } = value;
        Self { count, mean, std, q10, q90, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(source: Option<Source>) -> pb::LearnConceptBankRequest {
        pb::LearnConceptBankRequest {
            concept_bank_id: "bank".into(),
            model: "models/m".into(),
            source,
            ..Default::default()
        }
    }

    fn set() -> Option<WireSet> {
        let source = Some(pb::DataSource { dataset: "datasets/d".into(), split: "train".into() });
        Some(WireSet { source, selector: None })
    }

    fn named(name: &str) -> pb::learn_concept_bank_request::examples::Concept {
        pb::learn_concept_bank_request::examples::Concept { name: name.into(), positives: set(), negatives: set() }
    }

    fn violated(request: pb::LearnConceptBankRequest) -> String {
        LearnConceptsSpec::try_from(request).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn the_smallest_request_asks_for_the_whole_library() {
        let spec = LearnConceptsSpec::try_from(request(Some(Source::Procedural(Procedural::default())))).unwrap();
        assert_eq!(spec.cav, CavSpec::default());
        assert_eq!(LearnConceptsSpec::try_from(pb::LearnConceptBankRequest::from(spec.clone())).unwrap(), spec);
    }

    #[test]
    fn wrong_fields_are_named() {
        assert_eq!(violated(request(None)), "source");
        let examples = |concepts| request(Some(Source::Examples(Examples { concepts })));
        assert_eq!(violated(examples(vec![])), "examples.concepts");
        assert_eq!(violated(examples(vec![named("a"), named("a")])), "examples.concepts[1].name");
        let mut no_negatives = named("a");
        no_negatives.negatives = None;
        assert_eq!(violated(examples(vec![no_negatives])), "examples.concepts[0].negatives");
        let discovery = Discovery { examples: set(), concept_count: 65, max_samples: 0 };
        assert_eq!(violated(request(Some(Source::Discovery(discovery)))), "discovery.concept_count");
        let one = Some(pb::CavSpec { examples_per_side: Some(1), ..Default::default() });
        let library = request(Some(Source::Procedural(Procedural::default())));
        assert_eq!(violated(pb::LearnConceptBankRequest { cav: one, ..library.clone() }), "cav.examples_per_side");
        let zero = Some(pb::CavSpec { c_grid: vec![1.0, 0.0], ..Default::default() });
        assert_eq!(violated(pb::LearnConceptBankRequest { cav: zero, ..library }), "cav.c_grid[1]");
    }
}

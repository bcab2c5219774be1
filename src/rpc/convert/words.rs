//! concepts.proto: words in the place of a bank's concepts.

use super::common::selector;
use super::fields::{number, or, parsed, wire_count, within};
use crate::domain::attribution::TokenAttributionOptions;
use crate::domain::concept::{ConceptBasis, WordConcept, WordOptions, WordSummary};
use crate::domain::text::TextOptions;
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::concept_report as wire;
use crate::pb::v1::extract_concepts_request::Words;

const MAX_SAMPLES_PER_CLASS: u32 = 10_000;

/// The bank, or words; not both, and nothing for a bank beside words.
pub(super) fn basis(request: &pb::ExtractConceptsRequest) -> Result<ConceptBasis> {
    let Some(words) = &request.words else {
        return Ok(ConceptBasis::Bank(parsed(&request.concept_bank, "concept_bank")?));
    };
    let of_banks = [
        ("concept_bank", !request.concept_bank.is_empty()),
        ("test", request.test.is_some()),
        ("sign", request.sign != 0),
        ("pcbm", request.pcbm.is_some()),
        ("tcav", request.tcav.is_some()),
        ("max_samples", request.max_samples != 0),
        ("precision", request.precision != 0),
    ];
    if let Some((field, _)) = of_banks.into_iter().find(|(_, is_set)| *is_set) {
        let description = "is for the concepts of a bank; leave it out, or leave out `words`";
        return Err(Error::invalid("CONFLICTING_FIELDS", field, description));
    }
    WordOptions::try_from(words.clone()).map(ConceptBasis::Words).map_err(|error| error.under("words"))
}

impl TryFrom<Words> for WordOptions {
    type Error = Error;

    fn try_from(value: Words) -> Result<Self> {
        let Words { options, attribution, samples_per_class, alpha, forget } = value;
        let default = Self::default();
        let (text, attribution) = (options.unwrap_or_default(), attribution.unwrap_or_default());
        let samples = or(samples_per_class, default.samples_per_class);
        let alpha = alpha.unwrap_or(default.alpha);
        Ok(Self {
            text: TextOptions::try_from(text).map_err(|error| error.under("options"))?,
            attribution: TokenAttributionOptions::try_from(attribution).map_err(|error| error.under("attribution"))?,
            samples_per_class: within(samples, 1..=MAX_SAMPLES_PER_CLASS, "samples_per_class")?,
            forget: selector(forget, "forget")?,
            alpha: number(alpha, |alpha| alpha > 0.0 && alpha < 1.0, "above 0 and below 1", "alpha")?,
        })
    }
}

impl From<WordOptions> for Words {
    fn from(value: WordOptions) -> Self {
        let WordOptions { text, attribution, samples_per_class, forget, alpha } = value;
        Self {
            options: Some(text.into()),
            attribution: Some(attribution.into()),
            samples_per_class,
            alpha: Some(alpha),
            forget: Some(forget.into()),
        }
    }
}

impl From<WordConcept> for wire::WordConcept {
    fn from(value: WordConcept) -> Self {
        let WordConcept { word, weight, texts, mean, kept_mean, p_value, significant } = value;
        Self { word, weight, texts: wire_count(texts), mean, kept_mean, p_value, significant }
    }
}

impl From<WordSummary> for wire::WordSummary {
    fn from(value: WordSummary) -> Self {
        let WordSummary { texts, skipped, failed, unconverged, alpha, stop_words } = value;
        Self {
            texts: wire_count(texts),
            skipped: wire_count(skipped),
            failed: wire_count(failed),
            unconverged: wire_count(unconverged),
            alpha,
            stop_words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attribution::QuadratureRule;
    use crate::domain::concept::ExtractConceptsSpec;

    fn request(words: Words) -> pb::ExtractConceptsRequest {
        pb::ExtractConceptsRequest {
            model: "models/m".into(),
            train: Some(pb::DataSource { dataset: "d".into(), split: String::new() }),
            words: Some(words),
            ..Default::default()
        }
    }

    fn violated(request: pb::ExtractConceptsRequest) -> (String, &'static str) {
        let error = ExtractConceptsSpec::try_from(request).unwrap_err();
        (error.violations[0].field.clone(), error.reason)
    }

    #[test]
    fn words_need_no_bank_and_come_back_as_they_were_asked_for() {
        let attribution = pb::TokenAttributionSpec {
            rule: pb::QuadratureRule::Middle.into(),
            steps: 16,
            baseline: pb::TextBaseline::Eos.into(),
            ..Default::default()
        };
        let options =
            pb::TextOptions { chat: true, system_prompt: "Be brief.".into(), max_tokens: 64, ..Default::default() };
        let words = Words {
            options: Some(options),
            attribution: Some(attribution),
            samples_per_class: 7,
            alpha: Some(0.01),
            forget: None,
        };
        for words in [Words::default(), words] {
            let spec = ExtractConceptsSpec::try_from(request(words)).unwrap();
            assert_eq!(ExtractConceptsSpec::try_from(pb::ExtractConceptsRequest::from(spec.clone())).unwrap(), spec);
        }
        let spec = ExtractConceptsSpec::try_from(request(Words::default())).unwrap();
        let ConceptBasis::Words(words) = spec.basis else { panic!("not words") };
        assert_eq!((words.samples_per_class, words.attribution.steps), (100, 50));
        assert_eq!(words.attribution.rule, QuadratureRule::GaussLegendre);
    }

    #[test]
    fn what_is_for_banks_is_not_for_words() {
        let bank = pb::ExtractConceptsRequest { concept_bank: "conceptBanks/b".into(), ..request(Words::default()) };
        assert_eq!(violated(bank), ("concept_bank".into(), "CONFLICTING_FIELDS"));
        let tested = pb::ExtractConceptsRequest { tcav: Some(pb::TcavSpec::default()), ..request(Words::default()) };
        assert_eq!(violated(tested), ("tcav".into(), "CONFLICTING_FIELDS"));
        let neither = pb::ExtractConceptsRequest { words: None, ..request(Words::default()) };
        assert_eq!(violated(neither), ("concept_bank".into(), "MISSING_FIELD"));
    }

    #[test]
    fn wrong_numbers_of_words_are_named() {
        let field = |words| violated(request(words)).0;
        assert_eq!(field(Words { alpha: Some(1.0), ..Default::default() }), "words.alpha");
        assert_eq!(field(Words { samples_per_class: 10_001, ..Default::default() }), "words.samples_per_class");
        let attribution = |spec| Words { attribution: Some(spec), ..Default::default() };
        let steps = pb::TokenAttributionSpec { steps: 1000, adaptive: true, ..Default::default() };
        assert_eq!(field(attribution(steps)), "words.attribution.steps");
        let rule = pb::TokenAttributionSpec { rule: 99, ..Default::default() };
        assert_eq!(field(attribution(rule)), "words.attribution.rule");
        let options = pb::TextOptions { system_prompt: "x".into(), ..Default::default() };
        assert_eq!(field(Words { options: Some(options), ..Default::default() }), "words.options.system_prompt");
    }
}

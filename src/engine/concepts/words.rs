//! Words in the place of a bank's concepts: those that the texts of a class rest on more than other texts do. Pure, so it runs away from
//! the async threads.

use std::collections::HashMap;

use crate::domain::Result;
use crate::domain::concept::{ClassConcepts, ConceptReport, DonorSuggestion, WordConcept, WordSummary};
use crate::domain::evaluation::Provenance;
use crate::domain::ids::VersionName;
use crate::domain::poison::DonorRule;
use crate::ml::concept::donor;
use crate::ml::interrupt::Interrupt;
use crate::ml::language::WordShares;
use crate::ml::poison::{ConceptEvidence, word_evidence};
use crate::ml::text::ranking::{RankedWord, Shares, rank_first};
use crate::ml::text::stop_words;

/// What a report is made from.
#[derive(Debug, Clone)]
pub(in crate::engine) struct WordReportInputs {
    pub(in crate::engine) version: VersionName,
    pub(in crate::engine) shares: WordShares,
    /// Class of every text of the split.
    pub(in crate::engine) labels: Vec<u32>,
    /// Classes that the report lists.
    pub(in crate::engine) classes: Vec<u32>,
    pub(in crate::engine) class_names: Vec<String>,
    /// Classes that can be donors; a class is never its own. Texts without labels have none.
    pub(in crate::engine) candidates: Vec<u32>,
    /// Words listed a class.
    pub(in crate::engine) top_words: usize,
    pub(in crate::engine) alpha: f64,
    pub(in crate::engine) provenance: Provenance,
}

impl WordReportInputs {
    fn name(&self, class: u32) -> String {
        self.class_names.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
    }
}

/// Shares of the texts of each class.
pub(in crate::engine) fn by_class<'a>(shares: &'a WordShares, labels: &[u32], classes: usize) -> Vec<Vec<&'a Shares>> {
    let mut by_class = vec![Vec::new(); classes];
    for text in &shares.texts {
        if let Some(texts) = labels.get(text.position).and_then(|class| by_class.get_mut(*class as usize)) {
            texts.push(&text.shares);
        }
    }
    by_class
}

/// `seconds` is the caller's to fill in.
pub(in crate::engine) fn word_report(inputs: &WordReportInputs, interrupt: &Interrupt) -> Result<ConceptReport> {
    let by_class = by_class(&inputs.shares, &inputs.labels, inputs.class_names.len());
    let evidence = if inputs.candidates.is_empty() { None } else { word_evidence(&by_class, None).ok() };
    let mut classes = Vec::with_capacity(inputs.classes.len());
    for class in &inputs.classes {
        interrupt.check()?;
        classes.push(ClassConcepts {
            class: *class,
            concepts: Vec::new(),
            donor: evidence.as_ref().and_then(|evidence| suggestion(inputs, evidence, *class)),
            words: words(&by_class, *class as usize, inputs),
        });
    }
    Ok(ConceptReport {
        bank: None,
        version: inputs.version.clone(),
        warnings: warnings(&inputs.shares, &classes, &by_class, inputs),
        classes,
        pcbm: None,
        words: Some(summary(inputs)),
        purity: Vec::new(),
        seconds: 0.0,
        provenance: inputs.provenance.clone(),
    })
}

fn words(by_class: &[Vec<&Shares>], class: usize, inputs: &WordReportInputs) -> Vec<WordConcept> {
    let Some(group) = by_class.get(class) else { return Vec::new() };
    let others = by_class.iter().enumerate().filter(|(other, _)| *other != class);
    let kept: Vec<&Shares> = others.flat_map(|(_, texts)| texts.iter().copied()).collect();
    rank_first(group, &kept, inputs.alpha, inputs.top_words).into_iter().map(listed).collect()
}

fn listed(word: RankedWord) -> WordConcept {
    let RankedWord { word, weight, answers, mean, kept_mean, p_value, significant } = word;
    WordConcept { word, weight, texts: answers as u64, mean, kept_mean, p_value, significant }
}

fn suggestion(inputs: &WordReportInputs, evidence: &ConceptEvidence, class: u32) -> Option<DonorSuggestion> {
    let candidates: Vec<u32> = inputs.candidates.iter().copied().filter(|candidate| *candidate != class).collect();
    let (name, classes) = (|class: u32| inputs.name(class), inputs.class_names.len());
    let ConceptEvidence { names, weights, .. } = evidence;
    donor::suggest(DonorRule::ConceptConfusion, class, weights, classes, names, &name, &candidates)
}

fn summary(inputs: &WordReportInputs) -> WordSummary {
    let WordShares { texts, skipped, failed, unconverged } = &inputs.shares;
    WordSummary {
        texts: texts.len() as u64,
        skipped: *skipped,
        failed: *failed,
        unconverged: *unconverged,
        alpha: inputs.alpha,
        stop_words: stop_words::VERSION.to_owned(),
    }
}

fn warnings(
    shares: &WordShares,
    classes: &[ClassConcepts],
    by_class: &[Vec<&Shares>],
    inputs: &WordReportInputs,
) -> Vec<String> {
    let counts: HashMap<u32, usize> = (0..).zip(by_class).map(|(class, texts)| (class, texts.len())).collect();
    let few = classes.iter().filter(|class| counts.get(&class.class).is_none_or(|count| *count < 2));
    let few = few.map(|class| {
        format!("`{}` has fewer than two texts, so that nothing of it can be significant", inputs.name(class.class))
    });
    let all = shares.texts.len() as u64;
    let told = [
        (shares.unconverged * 10 > all).then(|| {
            let count = shares.unconverged;
            format!("{count} of {all} attributions have an error of completeness above 5 %; raise `steps`, or set `adaptive`")
        }),
        (shares.skipped > 0).then(|| format!("{} texts were left out, because they do not fit into the context", shares.skipped)),
        (shares.failed > 0).then(|| format!("{} texts were left out, because the model's numbers on them are not finite", shares.failed)),
    ];
    told.into_iter().flatten().chain(few).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::language::SharedText;
    use crate::ml::text::ranking::shares;

    fn text(position: usize, words: &[(&str, f64)]) -> SharedText {
        let shares = shares(words.iter().copied());
        SharedText { position, words: Vec::new(), shares, relative_delta: 0.0, converged: true }
    }

    fn inputs() -> WordReportInputs {
        let of = |position: usize| match position % 3 {
            0 => text(position, &[("goal", 3.0 + position as f64), ("rain", 1.0)]),
            1 => text(position, &[("rain", 4.0), ("cloud", 1.0 + position as f64)]),
            _ => text(position, &[("soup", 2.0), ("the", 5.0)]),
        };
        WordReportInputs {
            version: "models/m/versions/1".parse().unwrap(),
            shares: WordShares { texts: (0..24).map(of).collect(), unconverged: 3, skipped: 1, failed: 0 },
            labels: (0..24).map(|position| position % 3).collect(),
            classes: vec![0, 2],
            class_names: ["sport", "weather", "cooking"].map(String::from).to_vec(),
            candidates: vec![0, 1, 2],
            top_words: 1,
            alpha: 0.05,
            provenance: Provenance {
                model_hash: String::new(),
                data_hashes: Vec::new(),
                config_hash: String::new(),
                seed: 0,
                code_version: String::new(),
            },
        }
    }

    fn reported(inputs: &WordReportInputs) -> ConceptReport {
        word_report(inputs, &Interrupt::never()).unwrap()
    }

    #[test]
    fn a_class_rests_on_its_own_words_and_shares_some_with_its_donor() {
        let report = reported(&inputs());
        let [sport, cooking] = report.classes.as_slice() else { panic!("two classes") };
        assert_eq!(sport.words.len(), 1);
        assert!(sport.words[0].word == "goal" && sport.words[0].significant && sport.words[0].texts == 8);
        assert_eq!(sport.donor.as_ref().unwrap().donor, 1, "both speak of rain");
        assert_eq!(cooking.words[0].word, "soup");
        assert_eq!(report.words.unwrap().texts, 24);
    }

    #[test]
    fn what_was_left_out_or_is_not_exact_is_told() {
        let warnings = reported(&inputs()).warnings;
        assert!(warnings[0].starts_with("3 of 24") && warnings[1].starts_with("1 texts"), "{warnings:?}");
        let few = WordReportInputs { classes: vec![1], labels: vec![0; 24], ..inputs() };
        assert!(reported(&few).warnings.last().unwrap().contains("`weather`"));
    }

    #[test]
    fn texts_without_labels_have_no_donor() {
        let report = reported(&WordReportInputs { candidates: Vec::new(), ..inputs() });
        assert!(report.classes.iter().all(|class| class.donor.is_none()));
    }
}

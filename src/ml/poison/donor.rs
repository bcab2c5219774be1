//! Which class the samples of a forgotten class are labelled as under `Targeted`.
//!
//! A rule turns what is known about a forgotten class into ranked candidates; `choose` takes the best. Only classes without any
//! sample in the forget set are candidates. A new rule is a new arm of `choose` that scores the same candidates; those that ask
//! concepts are in `ml::concept::donor`.

use crate::domain::poison::{Donor, DonorChoice, DonorRule};
use crate::domain::{Error, Result};

use super::evidence::{ConceptEvidence, concepts_missing};
use super::labels::softmax;
use super::population::Population;
use crate::ml::concept::donor::suggest;

/// The donor of every class in the forget set. `forget_logits` are `[forget, classes]`, in the order of the forget set.
pub(super) fn choose(
    choice: &DonorChoice,
    population: &Population<'_>,
    forget_logits: Option<&[f32]>,
    concepts: Option<&ConceptEvidence>,
) -> Result<Vec<Donor>> {
    let candidates = population.untouched_classes();
    if candidates.is_empty() {
        return Err(Error::failed_precondition(
            "NO_RETAINED_CLASS",
            "every class has samples in the forget set, so none can be a donor; narrow `forget` or choose another label strategy",
        ));
    }
    match choice.rule {
        DonorRule::Explicit => explicit(choice, population),
        DonorRule::NearestClass => nearest(population, &candidates, forget_logits),
        // Nobody asked for concepts, and there are none: the model itself says what is near.
        DonorRule::ConceptConfusion | DonorRule::ConceptCosine
            if choice.implied && concepts.is_none() && forget_logits.is_some() =>
        {
            nearest(population, &candidates, forget_logits)
        }
        DonorRule::ConceptConfusion => by_concepts("CONCEPT_CONFUSION", choice.rule, population, &candidates, concepts),
        DonorRule::ConceptCosine => by_concepts("CONCEPT_COSINE", choice.rule, population, &candidates, concepts),
    }
}

fn by_concepts(
    name: &str,
    rule: DonorRule,
    population: &Population<'_>,
    candidates: &[u32],
    concepts: Option<&ConceptEvidence>,
) -> Result<Vec<Donor>> {
    let Some(concepts) = concepts else {
        return Err(concepts_missing(&format!("the donor rule {name}")));
    };
    let (weights, names, classes) = (&concepts.weights, &concepts.names, population.class_count as usize);
    let class_name = |class| population.class_name(class);
    let suggestion = |(class, _): (u32, u64)| {
        let suggestion = suggest(rule, class, weights, classes, names, &class_name, candidates);
        let suggestion = suggestion.ok_or_else(|| no_suggestion(name, &population.class_name(class)))?;
        let (donor, rule, reason, candidates) =
            (suggestion.donor, suggestion.rule, suggestion.reason, suggestion.candidates);
        Ok(Donor { class, donor, rule, reason, candidates })
    };
    population.forget_counts().into_iter().map(suggestion).collect()
}

fn no_suggestion(rule: &str, class: &str) -> Error {
    Error::failed_precondition(
        "DONOR_NOT_FOUND",
        format!("the donor rule {rule} finds no donor for `{class}` among its concepts; name one or use NEAREST_CLASS"),
    )
}

fn explicit(choice: &DonorChoice, population: &Population<'_>) -> Result<Vec<Donor>> {
    let overrides = explicit_overrides(choice, population)?;
    let forgotten = population.forget_counts();
    forgotten
        .iter()
        .map(|&(class, _)| {
            let named = overrides.iter().find(|(forgotten, _)| *forgotten == class).map(|&(_, donor)| donor);
            let donor = named.map_or_else(|| common_donor(choice, population, class), Ok)?;
            let reason = format!("named by the caller for `{}`", population.class_name(class));
            Ok(Donor { class, donor, rule: DonorRule::Explicit, reason, candidates: Vec::new() })
        })
        .collect()
}

/// `donor.by_class`, resolved and checked.
fn explicit_overrides(choice: &DonorChoice, population: &Population<'_>) -> Result<Vec<(u32, u32)>> {
    let mut pairs = Vec::with_capacity(choice.by_class.len());
    for (class, donor) in &choice.by_class {
        let field = format!("donor.by_class[{class}]");
        let forgotten = population.resolve_class(class, &field)?;
        if !population.is_in_forget_set(forgotten) {
            let description = format!("`{class}` has no sample in the forget set, so it takes no donor; leave it out");
            return Err(Error::invalid("CLASS_NOT_FORGOTTEN", field, description));
        }
        pairs.push((forgotten, allowed_donor(donor, &field, population)?));
    }
    Ok(pairs)
}

/// `donor.class`, which stands for every forgotten class without one of its own.
fn common_donor(choice: &DonorChoice, population: &Population<'_>, class: u32) -> Result<u32> {
    if choice.class.is_empty() {
        return Err(Error::invalid(
            "DONOR_MISSING",
            "donor.class",
            format!("no donor is named for `{}`; name one or use the rule NEAREST_CLASS", population.class_name(class)),
        ));
    }
    allowed_donor(&choice.class, "donor.class", population)
}

fn allowed_donor(text: &str, field: &str, population: &Population<'_>) -> Result<u32> {
    let donor = population.resolve_class(text, field)?;
    if population.is_in_forget_set(donor) {
        let allowed = population.class_list(&population.untouched_classes());
        let description = format!("`{text}` is in the forget set itself; choose one of {allowed}");
        return Err(Error::invalid("DONOR_IN_FORGET_SET", field, description));
    }
    Ok(donor)
}

/// The candidate with the highest mean softmax over the forgotten samples of each class.
fn nearest(population: &Population<'_>, candidates: &[u32], forget_logits: Option<&[f32]>) -> Result<Vec<Donor>> {
    let logits =
        forget_logits.ok_or_else(|| Error::internal("NEAREST_CLASS needs the model's logits on the forget set"))?;
    let mut donors = Vec::new();
    for (class, count) in population.forget_counts() {
        let mean = mean_softmax(population, class, logits);
        let ranked = rank(candidates, &mean);
        let (donor, score) = ranked[0];
        let reason = format!(
            "of the {} classes outside the forget set the model gives `{}` the highest mean probability ({score:.4}) on the {count} \
             forgotten samples of `{}`",
            candidates.len(),
            population.class_name(donor),
            population.class_name(class),
        );
        donors.push(Donor { class, donor, rule: DonorRule::NearestClass, reason, candidates: ranked });
    }
    Ok(donors)
}

/// Says beside each donor that concepts chose what the model itself finds nearest; answers a warning where the two differ.
pub(super) fn compare(donors: &mut [Donor], population: &Population<'_>, forget_logits: Option<&[f32]>) -> Vec<String> {
    let Some(logits) = forget_logits else { return Vec::new() };
    let candidates = population.untouched_classes();
    let by_concepts = donors.iter_mut().filter(|donor| donor.rule.uses_concepts());
    let compared = by_concepts.filter_map(|donor| {
        let (nearest, score) = *rank(&candidates, &mean_softmax(population, donor.class, logits)).first()?;
        let name = |class: u32| population.class_name(class);
        donor.reason = format!("{}; NEAREST_CLASS is `{}` ({score:.4})", donor.reason, name(nearest));
        (nearest != donor.donor).then(|| disagreement(&name(donor.class), &name(donor.donor), &name(nearest)))
    });
    compared.collect()
}

/// Warns of a donor by concepts that is not the class that the model itself takes for the nearest.
pub fn disagreement(class: &str, donor: &str, nearest: &str) -> String {
    format!(
        "concepts choose `{donor}` as the donor of `{class}`, the model's own answers `{nearest}` (NEAREST_CLASS); which class shares a \
         concept hangs on the bank, so compare the two or name the donor"
    )
}

/// Mean softmax (by class) over the forgotten samples of `class`.
fn mean_softmax(population: &Population<'_>, class: u32, forget_logits: &[f32]) -> Vec<f64> {
    let mut mean = vec![0.0; population.class_count as usize];
    let mut count = 0.0;
    for (&position, row) in population.forget.iter().zip(forget_logits.chunks_exact(mean.len())) {
        if population.label(position) == class {
            count += 1.0;
            mean.iter_mut().zip(softmax(row)).for_each(|(sum, probability)| *sum += probability);
        }
    }
    mean.into_iter().map(|sum| sum / f64::max(count, 1.0)).collect()
}

/// Candidates with their scores, best first; ties go to the lower class.
fn rank(candidates: &[u32], scores: &[f64]) -> Vec<(u32, f64)> {
    let mut ranked: Vec<(u32, f64)> = candidates.iter().map(|&class| (class, scores[class as usize])).collect();
    ranked.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    ranked
}

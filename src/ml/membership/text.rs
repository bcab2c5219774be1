//! Attacks on texts, from how likely a language model finds their tokens.
//!
//! Each text has one score, higher for a member; with p the probabilities of its labelled tokens and n their number:
//! - LOSS (Yeom et al., CSF 2018): Σ log p / n
//! - ZLIB (Carlini et al., USENIX Security 2021): LOSS over the bytes of the text after zlib
//! - MIN_K (Shi et al., ICLR 2024): mean of the lowest fifth of log p
//! - MIN_K_PLUS_PLUS (Zhang et al., ICLR 2025): mean of the lowest fifth of (log p − μ)/σ
//! - REFERENCE (Carlini et al. 2021): LOSS minus LOSS of a reference model, which may have another tokenizer
//!
//! Texts without labelled tokens say nothing and are left out.

use super::checks;
use super::outcome::Outcome;
use super::report::report;
use crate::domain::membership::{Attack, AttackReport, check_token_attacks};
use crate::domain::{Error, Result};
use crate::ml::text::metrics::{TokenScores, loss_score, min_k, min_k_plus_plus, reference_score, zlib_score};

/// Share of the tokens that MIN_K and MIN_K_PLUS_PLUS look at: the papers' usual one.
const LOWEST: f64 = 0.2;

/// Texts that were trained on, and texts that were not.
#[derive(Debug, Clone, Copy)]
pub struct TextInputs<'a> {
    pub members: &'a [TokenScores],
    pub non_members: &'a [TokenScores],
}

/// Runs one attack on texts. `reference` are the scores that a reference model gives the same texts in the same order. `bootstrap`
/// resamples give the interval of the AUC; zero leaves it out.
///
/// # Errors
/// `TOO_FEW_SAMPLES` when a side has fewer than ten texts with tokens, `REFERENCE_MISSING` when REFERENCE has no reference,
/// `FIELD_NOT_FOR_MODEL` for an attack on classes.
pub fn text_attack(
    inputs: TextInputs<'_>,
    reference: Option<TextInputs<'_>>,
    which: Attack,
    bootstrap: u32,
    seed: u64,
) -> Result<AttackReport> {
    check_token_attacks(&[which])?;
    let side = |side: &str, texts: &[TokenScores], reference: Option<&[TokenScores]>| -> Result<Vec<f64>> {
        let found = scores(texts, reference, which)?;
        checks::enough(side, found.len())?;
        Ok(found)
    };
    let members = side("forget members (train) with tokens", inputs.members, reference.map(|one| one.members))?;
    let non_members =
        side("forget non-members (test) with tokens", inputs.non_members, reference.map(|one| one.non_members))?;
    Ok(report(which, &Outcome { members, non_members, rate: None, converged: true }, bootstrap, seed))
}

/// Of every text that has tokens.
fn scores(texts: &[TokenScores], reference: Option<&[TokenScores]>, which: Attack) -> Result<Vec<f64>> {
    if reference.is_some_and(|reference| reference.len() != texts.len()) {
        return Err(Error::internal("model and reference were not run on the same texts"));
    }
    let mut found = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        found.extend(score(text, reference.map(|reference| &reference[index]), which)?);
    }
    Ok(found)
}

fn score(text: &TokenScores, reference: Option<&TokenScores>, which: Attack) -> Result<Option<f64>> {
    let logs = text.log_probabilities();
    match which {
        Attack::Loss => Ok(loss_score(&logs)),
        Attack::Zlib => zlib_score(&logs, &text.text),
        Attack::MinK => Ok(min_k(&logs, LOWEST)),
        Attack::MinKPlusPlus => Ok(min_k_plus_plus(&text.distributions, LOWEST)),
        Attack::Reference => match reference {
            Some(reference) => Ok(reference_score(&logs, &reference.log_probabilities())),
            None => Err(Error::failed_precondition(
                "REFERENCE_MISSING",
                "REFERENCE compares with a model that never saw the texts; set `reference_model`",
            )),
        },
        Attack::Confidence
        | Attack::Entropy
        | Attack::ModifiedEntropy
        | Attack::CorrectnessGap
        | Attack::SimpleMia
        | Attack::SvcEfficacy
        | Attack::ForgettingRate => Err(Error::internal("an attack on classes was asked of tokens")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::membership::AttackFlag;
    use crate::ml::text::metrics::{TokenDistribution, compressed_length};

    /// Ten tokens, two of them much less likely, of a distribution with this mean and a variance of 4.
    fn text(usual: f64, lowest: f64, mean: f64) -> TokenScores {
        let distribution = |log_probability| TokenDistribution { log_probability, mean, variance: 4.0 };
        let logs = [vec![usual; 8], vec![lowest; 2]].concat();
        TokenScores {
            distributions: logs.into_iter().map(distribution).collect(),
            likeliest: vec![1; 10],
            tokens: vec![2; 10],
            text: "the same words again and again and again".to_owned(),
        }
    }

    fn texts(count: usize, of: impl Fn(f64) -> TokenScores) -> Vec<TokenScores> {
        (0..count).map(|index| of(index as f64 / 100.0)).collect()
    }

    fn run(members: &[TokenScores], others: &[TokenScores], which: Attack) -> Result<AttackReport> {
        text_attack(TextInputs { members, non_members: others }, None, which, 0, 1)
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let one = text(-1.0, -6.0, -2.0);
        let of = |which| score(&one, Some(&text(-2.0, -6.0, 0.0)), which).unwrap().unwrap();
        assert!((of(Attack::Loss) + 2.0).abs() < 1e-12);
        let length = compressed_length(&one.text).unwrap() as f64;
        assert!((of(Attack::Zlib) + 2.0 / length).abs() < 1e-12);
        assert!((of(Attack::MinK) + 6.0).abs() < 1e-12);
        assert!((of(Attack::MinKPlusPlus) + 2.0).abs() < 1e-12);
        assert!((of(Attack::Reference) - 0.8).abs() < 1e-12);
    }

    #[test]
    fn members_that_are_likelier_are_found_by_every_attack() {
        let members = texts(30, |shift| text(-1.0 - shift, -4.0 - shift, -2.0));
        let others = texts(25, |shift| text(-2.0 - shift, -6.0 - shift, -2.0));
        let flat = |count| texts(count, |_| text(-3.0, -3.0, -3.0));
        let reference = (flat(30), flat(25));
        let reference = TextInputs { members: &reference.0, non_members: &reference.1 };
        for which in Attack::OF_TOKENS {
            let inputs = TextInputs { members: &members, non_members: &others };
            let found = text_attack(inputs, Some(reference), which, 50, 1).unwrap();
            assert_eq!((found.attack, found.auc), (which, 1.0));
            assert!(found.auc_interval.is_some() && found.flags == [AttackFlag::LowResolution]);
            let turned = TextInputs { members: &others, non_members: &members };
            let swapped = TextInputs { members: reference.non_members, non_members: reference.members };
            let found = text_attack(turned, Some(swapped), which, 0, 1).unwrap();
            assert!(found.auc == 0.0 && found.flags.contains(&AttackFlag::BelowChance), "{which:?}");
        }
    }

    #[test]
    fn texts_without_tokens_are_left_out_and_may_leave_too_few() {
        let (mut members, others) =
            (texts(11, |shift| text(-1.0 - shift, -4.0, 0.0)), texts(10, |_| text(-9.0, -9.0, 0.0)));
        members[3] = TokenScores::default();
        assert!(run(&members, &others, Attack::MinK).is_ok());
        members[4] = TokenScores::default();
        let error = run(&members, &others, Attack::MinK).unwrap_err();
        assert_eq!(error.reason, "TOO_FEW_SAMPLES");
        assert!(error.message.starts_with("9 forget members"), "{error}");
        assert_eq!(run(&others, &members, Attack::Loss).unwrap_err().reason, "TOO_FEW_SAMPLES");
    }

    #[test]
    fn what_cannot_be_attacked_is_refused_with_a_reason() {
        let side = texts(10, |shift| text(-1.0 - shift, -4.0, 0.0));
        assert_eq!(run(&side, &side, Attack::Reference).unwrap_err().reason, "REFERENCE_MISSING");
        assert_eq!(run(&side, &side, Attack::Entropy).unwrap_err().reason, "FIELD_NOT_FOR_MODEL");
        let inputs = TextInputs { members: &side, non_members: &side };
        let short = TextInputs { members: &side[1..], non_members: &side };
        assert_eq!(text_attack(inputs, Some(short), Attack::Loss, 0, 1).unwrap_err().reason, "INTERNAL");
    }
}

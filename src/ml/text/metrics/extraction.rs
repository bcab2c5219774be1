//! How much of an answer a model gives back (Carlini et al. 2021; OpenUnlearning), from the likeliest token at each place.

/// Share of the answer's tokens that are the likeliest; `None` without tokens.
pub fn exact_memorisation(likeliest: &[u32], answer: &[u32]) -> Option<f64> {
    let equal = likeliest.iter().zip(answer).filter(|(likeliest, token)| likeliest == token).count();
    (!answer.is_empty()).then(|| equal as f64 / answer.len() as f64)
}

/// 1 − k/n with the shortest beginning of k tokens after which every token of the answer is the likeliest; 0 where the last one
/// is not. OpenUnlearning's code says 1/n then, since its loop ends one early. `None` without tokens.
pub fn extraction_strength(likeliest: &[u32], answer: &[u32]) -> Option<f64> {
    let pairs = likeliest.iter().zip(answer).rev();
    let kept = pairs.take_while(|(likeliest, token)| likeliest == token).count();
    (!answer.is_empty()).then(|| kept as f64 / answer.len() as f64)
}

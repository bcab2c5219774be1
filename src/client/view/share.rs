//! Shares by class: where the samples of a forget set went.

use serde::Serialize;

use super::class_name;
use crate::client::table;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Share {
    pub(crate) class: String,
    pub(crate) share: f64,
}

/// Largest first, without the zeros.
pub(crate) fn shares(values: &[f64], names: &[String]) -> Vec<Share> {
    let named =
        values.iter().enumerate().map(|(index, share)| Share { class: class_name(names, index), share: *share });
    let mut shares: Vec<Share> = named.filter(|entry| entry.share > 0.0).collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares
}

/// `horse 96.2 %, frog 1.0 %, 4 others 2.8 %`
pub(super) fn top(shares: &[Share], count: usize) -> String {
    let mut parts: Vec<String> =
        shares.iter().take(count).map(|entry| format!("{} {}", entry.class, table::percent(entry.share))).collect();
    let rest = &shares[count.min(shares.len())..];
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|entry| entry.share).sum();
        parts.push(format!("{} others {}", rest.len(), table::percent(sum)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_destinations_come_first_and_the_rest_is_summed() {
        let names = ["cat", "dog", "frog", "horse"].map(str::to_owned);
        let all = shares(&[0.02, 0.0, 0.08, 0.9], &names);
        assert_eq!(top(&all, 2), "horse 90.0 %, frog 8.0 %, 1 others 2.0 %");
        assert_eq!(shares(&[0.0, 1.0], &[])[0].class, "1");
    }
}

//! `DATASET` or `DATASET:SPLIT`.

use crate::client::names;
use crate::pb::v1::DataSource;

/// Reads a flag's value; without a split the daemon takes the one that the role suggests.
pub(crate) fn source(text: &str) -> Result<DataSource, String> {
    let (dataset, split) = text.split_once(':').unwrap_or((text, ""));
    if dataset.is_empty() || text.ends_with(':') {
        return Err(format!("`{text}` is not DATASET or DATASET:SPLIT"));
    }
    Ok(DataSource { dataset: names::dataset(dataset), split: split.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_optional() {
        let of = |dataset: &str, split: &str| DataSource { dataset: dataset.into(), split: split.into() };
        assert_eq!(source("cifar"), Ok(of("datasets/cifar", "")));
        assert_eq!(source("datasets/cifar:test"), Ok(of("datasets/cifar", "test")));
        assert!(source(":test").is_err() && source("cifar:").is_err());
    }
}

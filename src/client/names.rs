//! Resource names from what people type: `cifar`, `cifar@2`, `models/cifar/versions/2`.

/// `models/{m}` or `models/{m}/versions/{v}`.
pub(crate) fn model(name: &str) -> String {
    let bare = name.strip_prefix("models/").unwrap_or(name);
    match bare.split_once('@') {
        Some((model, version)) => format!("models/{model}/versions/{version}"),
        None => format!("models/{bare}"),
    }
}

pub(crate) fn is_version(name: &str) -> bool {
    name.contains("/versions/")
}

pub(crate) fn dataset(name: &str) -> String {
    in_collection("datasets", name)
}

pub(crate) fn concept_bank(name: &str) -> String {
    in_collection("conceptBanks", name)
}

pub(crate) fn job(name: &str) -> String {
    in_collection("jobs", name)
}

/// The short form of a model or version: `cifar@2`.
pub(crate) fn short(name: &str) -> String {
    let bare = name.strip_prefix("models/").unwrap_or(name);
    bare.replacen("/versions/", "@", 1)
}

/// What follows the last slash.
pub(crate) fn id(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn in_collection(collection: &str, name: &str) -> String {
    let bare = name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name);
    format!("{collection}/{bare}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_version_is_one_name() {
        for written in ["cifar@2", "cifar/versions/2", "models/cifar@2", "models/cifar/versions/2"] {
            assert_eq!(model(written), "models/cifar/versions/2");
            assert!(is_version(&model(written)));
            assert_eq!(short(&model(written)), "cifar@2");
        }
        assert_eq!(model("cifar"), "models/cifar");
    }

    #[test]
    fn collections_are_added_once() {
        assert_eq!(job("7"), "jobs/7");
        assert_eq!(job("jobs/7"), "jobs/7");
        assert_eq!(dataset("jobs"), "datasets/jobs");
        assert_eq!(concept_bank("texture"), "conceptBanks/texture");
        assert_eq!(id("jobs/7"), "7");
    }
}

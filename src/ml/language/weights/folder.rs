//! The files of a model's folder: one, or shards listed in an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Files with the weights, each of which exists.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join(SINGLE);
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = match fs::read_to_string(folder.join(INDEX)) {
        Ok(index) => index,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let description = format!("there is neither `{SINGLE}` nor `{INDEX}`; give the folder of the whole model");
            return Err(Error::invalid("MODEL_FILE_NOT_FOUND", "uri", description));
        }
        Err(error) => return Err(malformed("cannot be read").with_source(error)),
    };
    shards(&index)?.into_iter().map(|shard| existing(folder, &shard)).collect()
}

/// Names of the shards. They stay inside the folder.
fn shards(index: &str) -> Result<BTreeSet<String>> {
    let index: Index =
        serde_json::from_str(index).map_err(|error| malformed("is no index of shards").with_source(error))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if shards.is_empty() {
        return Err(malformed("names no shard"));
    }
    let is_plain =
        |name: &&String| !name.starts_with('.') && !name.contains(['/', '\\']) && name.ends_with(".safetensors");
    match shards.iter().find(|name| !is_plain(name)) {
        Some(_) => Err(malformed("names a shard that is no safetensors file of its folder")),
        None => Ok(shards),
    }
}

fn existing(folder: &Path, shard: &str) -> Result<PathBuf> {
    let path = folder.join(shard);
    if path.is_file() {
        return Ok(path);
    }
    let description = format!("shard `{shard}` that `{INDEX}` names is missing; copy the whole folder of the model");
    Err(Error::invalid("SHARD_MISSING", "uri", description))
}

fn malformed(problem: &str) -> Error {
    Error::invalid("MALFORMED_MODEL", "uri", format!("`{INDEX}` {problem}; export the model again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(index: Option<&str>) -> Error {
        let folder = tempfile::tempdir().unwrap();
        if let Some(index) = index {
            fs::write(folder.path().join(INDEX), index).unwrap();
        }
        files(folder.path()).unwrap_err()
    }

    #[test]
    fn a_missing_shard_is_named() {
        let error = refusal(Some(r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#));
        assert_eq!(error.reason, "SHARD_MISSING");
        assert!(error.message.contains("model-00001-of-00002.safetensors"), "{error}");
    }

    #[test]
    fn shards_stay_inside_the_folder() {
        for name in ["../secret.safetensors", "/etc/x.safetensors", "passwd", ".safetensors"] {
            assert_eq!(refusal(Some(&format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#))).reason, "MALFORMED_MODEL");
        }
        assert_eq!(refusal(Some("{}")).reason, "MALFORMED_MODEL");
        assert_eq!(refusal(None).reason, "MODEL_FILE_NOT_FOUND");
    }
}

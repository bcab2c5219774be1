//! Resource names: `models/{m}`, `models/{m}/versions/{v}`, `datasets/{d}`, `conceptBanks/{b}`, `jobs/{j}` (AIP-122).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

const MAX_ID_CHARS: usize = 63;

/// An id that is safe in a resource name and as a file name: `[a-z0-9][a-z0-9._-]{0,62}`.
fn check_id(kind: &str, id: &str) -> Result<()> {
    let starts_well = id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let all_allowed = id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if starts_well && all_allowed && id.len() <= MAX_ID_CHARS {
        return Ok(());
    }
    let shown: String = id.chars().take(80).collect();
    Err(Error::invalid(
        "INVALID_RESOURCE_ID",
        "",
        format!(
            "`{shown}` is not a {kind} id; use 1 to {MAX_ID_CHARS} of a-z, 0-9, `-`, `_`, `.`, starting with a letter or digit"
        ),
    ))
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $collection:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// From the bare id, without the collection.
            pub fn new(id: impl Into<String>) -> Result<Self> {
                let id = id.into();
                check_id($kind, &id)?;
                Ok(Self(id))
            }

            /// The bare id, without the collection.
            pub fn id(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!($collection, "/{}"), self.0)
            }
        }

        /// Reads the full name; the bare id is accepted as a convenience.
        impl FromStr for $name {
            type Err = Error;
            fn from_str(name: &str) -> Result<Self> {
                Self::new(name.strip_prefix(concat!($collection, "/")).unwrap_or(name))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(name: String) -> Result<Self> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}

id_type!(/// `models/{id}`
    ModelId, "model", "models");
id_type!(/// `datasets/{id}`
    DatasetId, "dataset", "datasets");
id_type!(/// `conceptBanks/{id}`
    ConceptBankId, "concept bank", "conceptBanks");
id_type!(/// `jobs/{id}`
    JobId, "job", "jobs");

/// `models/{model}/versions/{number}`; numbers start at 1 and are never used again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionName {
    pub model: ModelId,
    pub number: u32,
}

impl fmt::Display for VersionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/versions/{}", self.model, self.number)
    }
}

impl FromStr for VersionName {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name.parse()? {
            ModelRef::Version(version) => Ok(version),
            ModelRef::Served(model) => Err(Error::invalid(
                "INVALID_RESOURCE_NAME",
                "",
                format!("`{model}` names no version; write `{model}/versions/1`"),
            )),
        }
    }
}

impl TryFrom<String> for VersionName {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<VersionName> for String {
    fn from(name: VersionName) -> String {
        name.to_string()
    }
}

/// What a request calls a model: the version being served, or one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelRef {
    Served(ModelId),
    Version(VersionName),
}

impl ModelRef {
    pub fn model(&self) -> &ModelId {
        match self {
            Self::Served(model) => model,
            Self::Version(version) => &version.model,
        }
    }
}

/// Reads `models/m`, `m`, `models/m/versions/2`, `m/versions/2` and `m@2`.
impl FromStr for ModelRef {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        let bare = name.strip_prefix("models/").unwrap_or(name);
        let Some((model, number)) = bare.split_once("/versions/").or_else(|| bare.split_once('@')) else {
            return Ok(Self::Served(ModelId::new(bare)?));
        };
        let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
            Error::invalid("INVALID_RESOURCE_NAME", "", format!("`{number}` is not a version number; they start at 1"))
        })?;
        Ok(Self::Version(VersionName { model: ModelId::new(model)?, number }))
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served(model) => model.fmt(formatter),
            Self::Version(version) => version.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let version: VersionName = "models/cifar/versions/3".parse().unwrap();
        assert_eq!(version.to_string(), "models/cifar/versions/3");
        assert_eq!("cifar@3".parse::<ModelRef>().unwrap(), ModelRef::Version(version));
        assert_eq!("datasets/d".parse::<DatasetId>().unwrap().id(), "d");
    }

    #[test]
    fn hostile_ids_are_refused() {
        for id in ["", "..", "../etc", "a/b", "A", "-a", "a b", "models/", &"x".repeat(64)] {
            assert!(id.parse::<ModelId>().is_err(), "{id}");
        }
        for name in ["m/versions/0", "m/versions/-1", "m/versions/99999999999", "m@"] {
            assert!(name.parse::<ModelRef>().is_err(), "{name}");
        }
    }
}

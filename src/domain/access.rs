//! Who calls, and what the caller may do.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A class of calls. Each stands for itself: no scope holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// `grpc.health.v1`.
    Health,
    /// Looking: get, list, watch, reflection.
    Metadata,
    /// Answers that a model computes for the caller and that leave nothing behind.
    Infer,
    /// Jobs and what they are made of: starting and cancelling them, datasets, concept banks.
    Job,
    /// Which models and versions there are, which one serves, and deleting anything.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 5] = [Self::Health, Self::Metadata, Self::Infer, Self::Job, Self::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Metadata => "metadata",
            Self::Infer => "infer",
            Self::Job => "job",
            Self::Admin => "admin",
        }
    }

    /// Whether its calls change something, and so belong into the audit log.
    pub fn is_mutating(self) -> bool {
        match self {
            Self::Job | Self::Admin => true,
            Self::Health | Self::Metadata | Self::Infer => false,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(Scope::ALL.into_iter().filter(|scope| self.contains(*scope))).finish()
    }
}

/// The caller of one call: `tokens/NAME`, `certificates/NAME` or `anonymous`, with the rights that the call was judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub name: Arc<str>,
    pub scopes: Scopes,
}

impl Principal {
    pub const ANONYMOUS: &'static str = "anonymous";

    pub fn anonymous(scopes: Scopes) -> Self {
        Self { name: Self::ANONYMOUS.into(), scopes }
    }

    pub fn token(name: &str, scopes: Scopes) -> Self {
        Self { name: format!("tokens/{name}").into(), scopes }
    }

    pub fn certificate(name: &str, scopes: Scopes) -> Self {
        Self { name: format!("certificates/{name}").into(), scopes }
    }

    pub fn is_anonymous(&self) -> bool {
        &*self.name == Self::ANONYMOUS
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_scope_holds_another() {
        for held in Scope::ALL {
            let scopes = Scopes::from_iter([held]);
            for asked in Scope::ALL {
                assert_eq!(scopes.contains(asked), asked == held, "{held} {asked}");
            }
        }
        assert_eq!(format!("{:?}", Scopes::from_iter([Scope::Job, Scope::Health])), "{Health, Job}");
    }
}

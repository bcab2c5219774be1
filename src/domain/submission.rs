//! What is said of a job when it is submitted, beside what it is to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::job::JobSpec;

/// Which of the waiting jobs goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

impl Priority {
    /// Raised by this many levels; nothing is above high.
    #[must_use]
    pub fn raised(self, levels: u64) -> Self {
        match (self, levels) {
            (Self::Low, 0) => Self::Low,
            (Self::Low, 1) | (Self::Normal, 0) => Self::Normal,
            (Self::Low | Self::Normal | Self::High, _) => Self::High,
        }
    }
}

/// A job to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub spec: JobSpec,
    pub priority: Priority,
    /// Who submits it; clients take turns.
    pub client: String,
    /// Wall time from its first start after which it fails.
    pub timeout: Option<Duration>,
    /// Device memory that it is foreseen to need; 0: not known.
    pub memory_bytes: u64,
}

/// Of nobody in particular, with the usual priority.
impl From<JobSpec> for Submission {
    fn from(spec: JobSpec) -> Self {
        Self { spec, priority: Priority::default(), client: String::new(), timeout: None, memory_bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_ends_at_high() {
        let raised = |priority: Priority| [0, 1, 2, 9].map(|levels| priority.raised(levels));
        assert_eq!(raised(Priority::Low), [Priority::Low, Priority::Normal, Priority::High, Priority::High]);
        assert_eq!(raised(Priority::Normal), [Priority::Normal, Priority::High, Priority::High, Priority::High]);
        assert_eq!(raised(Priority::High), [Priority::High; 4]);
    }
}

//! What an attack found, before it is made a report.

/// The score or decision value of every forget member and non-member that was judged, and the published figure if there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub members: Vec<f64>,
    pub non_members: Vec<f64>,
    pub rate: Option<f64>,
    /// Whether the classifier behind the figures reached its tolerance; true where there is none.
    pub converged: bool,
}

impl Outcome {
    /// An attack whose features tell no sample from another: every sample gets the same score.
    pub fn degenerate(members: usize, non_members: usize, rate: Option<f64>) -> Self {
        Self { members: vec![0.0; members], non_members: vec![0.0; non_members], rate, converged: true }
    }
}

/// The share of decision values that call a sample a non-member.
pub fn non_member_share(decisions: &[f64]) -> f64 {
    let non_members = decisions.iter().filter(|decision| **decision <= 0.0).count();
    non_members as f64 / decisions.len().max(1) as f64
}

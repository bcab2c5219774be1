//! MIA efficacy (Jia et al., l1-sparse unlearning, NeurIPS 2023; code of Unlearn-Sparse and SalUn, `SVC_MIA.py`): an RBF
//! support-vector classifier learns the confidence p_y of retained members against non-members, and judges the forget members.
//!
//! The rate is the share of forget members that it calls non-members; high means forgotten. C = 3 and γ = 1/d (`auto`) as there.
//! Both sides learnt from are seeded subsamples of equal size, at most `SIDE_CAP` each, so that the kernel matrix stays small.

use super::features::Features;
use super::outcome::{Outcome, non_member_share};
use super::report::AttackInputs;
use super::scores::confidence;
use super::splits::balanced_subsample;
use super::svm::{Kernel, SupportVectorClassifier};

const C: f64 = 3.0;
const TOLERANCE: f64 = 1e-6;
const SIDE_CAP: usize = 1000;
const SELECTION: u64 = 1;

pub fn svc_efficacy(inputs: &AttackInputs, seed: u64) -> Outcome {
    let (features, member) = lesson(inputs, seed);
    let judged = (&inputs.forget_members, &inputs.forget_non_members);
    if features.is_constant() {
        return Outcome::degenerate(judged.0.len(), judged.1.len(), None);
    }
    let kernel = Kernel::Rbf { gamma: 1.0 / features.columns() as f64 };
    let classifier = SupportVectorClassifier::fit(&features, &member, kernel, C, TOLERANCE);
    let members = classifier.decisions(&Features::of_scores(judged.0, confidence));
    let non_members = classifier.decisions(&Features::of_scores(judged.1, confidence));
    Outcome { rate: Some(non_member_share(&members)), members, non_members, converged: classifier.converged }
}

/// The confidences of retained members and then of retained non-members.
fn lesson(inputs: &AttackInputs, seed: u64) -> (Features, Vec<bool>) {
    let (members, non_members) = (&inputs.retained_members, &inputs.retained_non_members);
    let (chosen, others) = balanced_subsample((members.len(), non_members.len()), SIDE_CAP, seed, SELECTION);
    let own = Features::of_scores(&members.subset(&chosen), confidence);
    let features = own.stacked(&Features::of_scores(&non_members.subset(&others), confidence));
    let member = (0..features.len()).map(|index| index < chosen.len()).collect();
    (features, member)
}

//! Counter-based random streams: a value depends on (seed, purpose, index) and on nothing else, so results do not depend on
//! batch size, thread or the order of calls.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream is for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    Initialisation = 1,
    Shuffle = 2,
    Augmentation = 3,
    PoisonLabel = 4,
    SampleSelection = 5,
    DataMix = 6,
    Bootstrap = 7,
    Balance = 8,
    Split = 9,
    Fraction = 10,
    PoisonDonor = 11,
    PoisonPlace = 12,
    /// Which refusal an answer becomes: example, answer.
    PoisonAnswer = 13,
    ConceptLibrary = 20,
    ConceptTest = 30,
    ConceptDiscovery = 31,
    /// Noise on an input whose attributions are joined.
    AttributionNoise = 40,
    AttributionBaseline = 41,
    /// Positions on the way from baseline to input, and which baseline.
    AttributionPath = 42,
    Infidelity = 43,
    Sensitivity = 44,
    /// Tokens that a language model writes: row, place.
    TokenSampling = 50,
    /// First values of adapters.
    Adapter = 60,
    /// Which inputs of adapters are left out in a step.
    Dropout = 61,
    /// The direction that hidden states are steered to.
    Direction = 62,
}

/// The stream of (seed, purpose, index).
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    nested_stream(seed, purpose, index, 0)
}

/// The stream of one draw among many that belong to an index; the first is `stream`.
pub fn nested_stream(seed: u64, purpose: Purpose, index: u64, draw: u64) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    key[24..].copy_from_slice(&draw.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

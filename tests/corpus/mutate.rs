//! Blind changes of good inputs: what coverage-guided fuzzing does without the coverage, on any toolchain.

/// SplitMix64.
pub(crate) struct Mutator(u64);

/// Values at which lengths and counts tip over.
const EDGES: [u64; 8] = [0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0xFFFF_FFFF, i64::MAX as u64, u64::MAX];

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// A few changes of `input`, some with a part of `other`.
    pub(crate) fn changed(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, other);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let (at, end) = self.range(bytes.len());
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            3 => {
                let (from, to) = self.range(other.len());
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
            4 => {
                let (size, value) = ([1, 2, 4, 8][self.below(4)], EDGES[self.below(EDGES.len())]);
                let value = value.to_le_bytes();
                bytes.iter_mut().skip(at).zip(&value[..size]).for_each(|(byte, new)| *byte = *new);
            }
            5 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.below(256) as u8),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
        }
    }

    /// Mostly short.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let at = self.below(length);
        let longest = if self.below(8) == 0 { length } else { 16 };
        (at, (at + self.below(longest)).min(length))
    }
}

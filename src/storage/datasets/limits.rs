//! How much a dataset may ask of the daemon.

use std::path::PathBuf;

/// Bounds on one dataset. The defaults fit ImageNet-1k and refuse what only an attacker would send.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Height or width of an image, in pixels.
    pub image_side: u32,
    /// Height times width of an image, checked before it is decoded.
    pub image_pixels: u64,
    /// One encoded image, in bytes.
    pub encoded_image_bytes: u64,
    /// Decoded pixels are kept as they are up to this size; beyond it the encoded images are kept and decoded at each read.
    pub decoded_bytes: u64,
    /// Disk space for one dataset.
    pub stored_bytes: u64,
    pub samples: u64,
    pub classes: usize,
    pub splits: usize,
    /// Further columns over all splits; each keeps two files open while it is written.
    pub columns: usize,
    /// The daemon's program, where headers that could take hours are to be tried by a process of their own first.
    pub header_reader: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            image_side: 16_384,
            image_pixels: 50_000_000,
            encoded_image_bytes: 64 << 20,
            decoded_bytes: 4 << 30,
            stored_bytes: 256 << 30,
            samples: 20_000_000,
            classes: 100_000,
            splits: 32,
            columns: 256,
            header_reader: None,
        }
    }
}

//! Which of libtorch's libraries a processor is best served by.

use std::sync::LazyLock;

/// libtorch's matrix product in f32 is MKL's, which uses all that a processor has on Intel's alone: on AMD's (Zen 3) oneDNN, which
/// libtorch takes for convolutions, needs half the time; on an Intel with AVX-512 it needs a sixth more.
pub fn mkl_is_fast() -> bool {
    static FAST: LazyLock<bool> = LazyLock::new(|| vendor().is_none_or(|vendor| vendor == "GenuineIntel"));
    *FAST
}

#[cfg(target_arch = "x86_64")]
fn vendor() -> Option<String> {
    raw_cpuid::CpuId::new().get_vendor_info().map(|vendor| vendor.as_str().to_owned())
}

/// Without MKL the product is a library's that was made for the processor.
#[cfg(not(target_arch = "x86_64"))]
fn vendor() -> Option<String> {
    None
}

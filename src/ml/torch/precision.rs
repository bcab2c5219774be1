//! Which precisions a device can compute in.

use tch::Device;

use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};

/// Refuses bf16 on a processor whose convolutions cannot do it: oneDNN needs AVX-512 (bw, vl, dq) on x86.
pub fn check_precision(precision: Precision, device: Device) -> Result<()> {
    match precision {
        Precision::Bf16 if device == Device::Cpu && !cpu_has_bf16() => Err(Error::failed_precondition(
            "PRECISION_UNSUPPORTED",
            "this machine's processor cannot compute in BF16 (it has no AVX-512); use F32, or a CUDA device",
        )),
        Precision::F32 | Precision::Bf16 => Ok(()),
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_bf16() -> bool {
    is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512dq")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has_bf16() -> bool {
    true
}

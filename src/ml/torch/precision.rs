//! Which precisions a device can compute in.

use tch::Device;

use super::has_bf16;
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};

/// Refuses bf16 on a processor whose convolutions cannot do it. Nothing falls back to f32 silently.
pub fn check_precision(precision: Precision, device: Device) -> Result<()> {
    match precision {
        Precision::Bf16 if !has_bf16(device) => Err(Error::failed_precondition(
            "PRECISION_UNSUPPORTED",
            "this machine's processor cannot compute in BF16 (it has no AVX-512); use F32, or a CUDA device",
        )),
        Precision::F32 | Precision::Bf16 => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_refused_where_it_would_not_be_computed() {
        let refused = check_precision(Precision::Bf16, Device::Cpu).map_err(|error| error.reason).err();
        assert_eq!(refused, (!has_bf16(Device::Cpu)).then_some("PRECISION_UNSUPPORTED"));
        assert!(check_precision(Precision::F32, Device::Cpu).is_ok());
        assert!(check_precision(Precision::Bf16, Device::Cuda(0)).is_ok());
    }
}

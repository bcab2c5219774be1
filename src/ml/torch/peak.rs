//! The most bytes of tensors that a piece of work holds at once beyond what was there before.

use tch::Device;

use super::{device_memory, reset_device_peak, torch_error};
use crate::domain::Result;
use crate::ml::shim;

/// Runs `act` and answers with the peak beside its value. On a CPU this thread's allocations count (the backward pass runs on it
/// too); on a CUDA device all of the device's.
pub fn peak_bytes<T>(device: Device, act: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let Device::Cuda(index) = device else { return peak_on_cpu(act) };
    reset_device_peak(index)?;
    let before = device_memory(index)?.allocated;
    let value = act()?;
    Ok((value, device_memory(index)?.peak.saturating_sub(before)))
}

fn peak_on_cpu<T>(act: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let meter = shim::AllocationMeter::start().map_err(torch_error("measure memory"))?;
    let value = act()?;
    Ok((value, meter.peak()))
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    const MEBIBYTE: u64 = 1 << 20;

    fn mebibyte() -> Tensor {
        Tensor::ones([1 << 18], (Kind::Float, Device::Cpu))
    }

    fn peak(act: impl FnOnce()) -> u64 {
        peak_bytes(Device::Cpu, || {
            act();
            Ok(())
        })
        .unwrap()
        .1
    }

    #[test]
    fn what_is_held_at_once_counts_and_what_was_there_before_does_not() {
        let _before = mebibyte();
        assert_eq!(peak(|| drop([mebibyte(), mebibyte(), mebibyte()])), 3 * MEBIBYTE);
        assert_eq!(peak(|| (0..3).for_each(|_| drop(mebibyte()))), MEBIBYTE);
        assert_eq!(peak(|| ()), 0);
    }

    #[test]
    fn the_backward_pass_counts() {
        let leaf = mebibyte().set_requires_grad(true);
        // Forward: the exponential and the sum's copies are views; backward: the gradient of the leaf.
        let bytes = peak(|| leaf.exp().sum(Kind::Float).backward());
        assert!((2 * MEBIBYTE..4 * MEBIBYTE).contains(&bytes), "{bytes}");
        assert_eq!(leaf.grad().size(), [1 << 18]);
    }

    #[test]
    fn work_that_fails_or_panics_ends_the_measurement() {
        let failed = peak_bytes::<()>(Device::Cpu, || Err(crate::domain::Error::internal("as tested")));
        assert!(failed.is_err());
        let torn = std::panic::catch_unwind(|| peak(|| panic!("as tested")));
        assert!(torn.is_err());
        assert_eq!(peak(|| drop(mebibyte())), MEBIBYTE);
    }
}

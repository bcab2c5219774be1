//! Modes of the calling thread that end with a scope, also on panic. tch's closures do not restore them.

use tch::{Device, Kind, TchError, Tensor};

use super::{has_bf16, torch_error};
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::ml::shim;

/// No gradients are recorded on this thread while it lives. Bind it to a name: `let _guard = NoGrad::enter();`.
#[must_use = "gradients are recorded again as soon as the guard is dropped"]
pub struct NoGrad(#[expect(dead_code, reason = "held for its drop")] tch::NoGradGuard);

impl NoGrad {
    pub fn enter() -> Self {
        Self(tch::no_grad_guard())
    }
}

impl std::fmt::Debug for NoGrad {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NoGrad")
    }
}

/// Operations of this thread run on it alone while it lives: where each is shorter than the barrier at its end, more threads only
/// wait for each other.
#[derive(Debug)]
#[must_use = "the thread count is restored as soon as the guard is dropped"]
pub struct OneThread {
    previous: i32,
}

impl OneThread {
    pub fn enter() -> Self {
        let previous = tch::get_num_threads();
        tch::set_num_threads(1);
        Self { previous }
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        tch::set_num_threads(self.previous);
    }
}

const AUTOCAST_DEVICES: [Device; 2] = [Device::Cpu, Device::Cuda(0)];

/// Convolutions and matrix products of this thread run in the given precision while it lives; `check_precision` says beforehand
/// whether the device can. On a CPU without bf16 only CUDA's operations change. Take it around the forward pass and the loss, not around `backward`.
#[derive(Debug)]
#[must_use = "the precision is restored as soon as the guard is dropped"]
pub struct Autocast {
    previous: [bool; 2],
}

impl Autocast {
    pub fn enter(precision: Precision) -> Result<Self> {
        shim::nest_autocast(true);
        let guard = Self { previous: AUTOCAST_DEVICES.map(shim::autocast) };
        for device in AUTOCAST_DEVICES {
            let enabled = precision == Precision::Bf16 && has_bf16(device);
            shim::set_autocast(device, enabled).map_err(torch_error("set the precision"))?;
        }
        Ok(guard)
    }

    /// Whether operations of this thread on such a device take bf16 for f32.
    pub fn is_on(device: Device) -> bool {
        shim::autocast(device)
    }

    /// An f32 tensor as operations of this thread will take it, so that those that take the same one need not each convert it.
    pub fn lowered(tensor: &Tensor) -> std::result::Result<Tensor, TchError> {
        match tensor.kind() == Kind::Float && Self::is_on(tensor.device()) {
            true => tensor.f_to_kind(Kind::BFloat16),
            false => Ok(tensor.shallow_clone()),
        }
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        for (device, enabled) in AUTOCAST_DEVICES.into_iter().zip(self.previous) {
            // Turning a flag that could be set on back cannot fail; a panic in drop would be worse than a wrong flag.
            let _ = shim::set_autocast(device, enabled);
        }
        shim::nest_autocast(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product_kind() -> Kind {
        let ones = Tensor::ones([4, 4], (Kind::Float, Device::Cpu));
        ones.matmul(&ones).kind()
    }

    #[test]
    fn autocast_ends_with_its_scope_even_on_panic() {
        let half = if has_bf16(Device::Cpu) { Kind::BFloat16 } else { Kind::Float };
        let panicked = std::panic::catch_unwind(|| {
            let _guard = Autocast::enter(Precision::Bf16).unwrap();
            assert_eq!(product_kind(), half);
            {
                let _inner = Autocast::enter(Precision::F32).unwrap();
                assert_eq!(product_kind(), Kind::Float);
            }
            assert_eq!(product_kind(), half);
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(product_kind(), Kind::Float);
    }

    #[test]
    fn one_thread_ends_with_its_scope_even_on_panic() {
        let before = tch::get_num_threads();
        let panicked = std::panic::catch_unwind(|| {
            let _guard = OneThread::enter();
            assert_eq!(tch::get_num_threads(), 1);
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(tch::get_num_threads(), before);
    }

    #[test]
    fn no_grad_ends_with_its_scope_even_on_panic() {
        let weight = Tensor::ones([1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = NoGrad::enter();
            assert!(!(&weight * 2.0).requires_grad());
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!((&weight * 2.0).requires_grad());
    }
}

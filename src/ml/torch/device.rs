//! Names of devices, and settings of the thread or process that decide how fast and how exactly they compute.

use tch::{Cuda, Device};

use super::torch_error;
use crate::domain::{Error, Result};
use crate::ml::shim;

/// `cpu`, `cuda` (the first) or `cuda:N`, if this machine has it.
pub fn parse_device(name: &str) -> Result<Device> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|index| index.parse().ok()),
    };
    let Some(index) = index else {
        let description = format!("`{name}` is not a device; use `cpu` or `cuda:N`");
        return Err(Error::invalid("INVALID_DEVICE", "device", description));
    };
    if index < device_count() {
        return Ok(Device::Cuda(index));
    }
    let description = format!("this machine has no `{name}`: it has {} CUDA devices and `cpu`", device_count());
    Err(Error::invalid("UNKNOWN_DEVICE", "device", description))
}

/// The name that `parse_device` reads.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Cpu | Device::Mps | Device::Vulkan => "cpu".to_owned(),
    }
}

/// How many CUDA devices this machine has.
pub fn device_count() -> usize {
    usize::try_from(Cuda::device_count()).unwrap_or(0)
}

/// Whether bf16 is worth having: always on CUDA, on a CPU if it has AVX-512. Without it libtorch would emulate or refuse.
pub fn has_bf16(device: Device) -> bool {
    match device {
        Device::Cpu => shim::cpu_has_bf16(),
        Device::Cuda(_) => true,
        Device::Mps | Device::Vulkan => false,
    }
}

/// Threads of one operation. Acts on the calling thread and on threads started later: call it first on each worker.
pub fn set_threads(count: usize) {
    tch::set_num_threads(i32::try_from(count).unwrap_or(i32::MAX).max(1));
}

/// `highest` (f32), `high` (TF32 or two bf16 products) or `medium` (bf16) for f32 matrix products, process-wide.
pub fn set_matmul_precision(precision: &str) -> Result<()> {
    shim::set_matmul_precision(precision).map_err(torch_error("set the matmul precision"))
}

/// Makes cuDNN choose reproducible algorithms, process-wide; the CPU's are so by themselves at a fixed thread count.
pub fn set_deterministic(on: bool) -> Result<()> {
    shim::set_deterministic(on).map_err(torch_error("set deterministic algorithms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_parsed_and_checked() {
        assert_eq!(parse_device("cpu").unwrap(), Device::Cpu);
        assert_eq!(parse_device("tpu").unwrap_err().reason, "INVALID_DEVICE");
        assert_eq!(parse_device("cuda:x").unwrap_err().reason, "INVALID_DEVICE");
        assert_eq!(parse_device("cuda:99").unwrap_err().reason, "UNKNOWN_DEVICE");
        assert_eq!(device_name(Device::Cuda(1)), "cuda:1");
    }
}

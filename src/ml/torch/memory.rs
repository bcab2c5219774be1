//! How much memory is in use, and giving it back.

use super::torch_error;
use crate::domain::Result;
use crate::ml::shim;

/// Bytes of a CUDA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceMemory {
    pub free: u64,
    pub total: u64,
    /// In tensors.
    pub allocated: u64,
    /// Held by libtorch's caching allocator, `allocated` included.
    pub reserved: u64,
    /// Largest `allocated` since the start or `reset_device_peak`.
    pub peak: u64,
}

/// Memory of `cuda:index`; fails on a build without CUDA.
pub fn device_memory(index: usize) -> Result<DeviceMemory> {
    let [free, total, allocated, reserved, peak] =
        shim::device_memory(index).map_err(torch_error("read the device's memory"))?;
    Ok(DeviceMemory { free, total, allocated, reserved, peak })
}

/// Starts the measurement of `DeviceMemory::peak` anew.
pub fn reset_device_peak(index: usize) -> Result<()> {
    shim::reset_device_peak(index).map_err(torch_error("reset the device's peak memory"))
}

/// Gives cached CUDA memory back to the device; nothing without CUDA.
pub fn empty_device_cache() -> Result<()> {
    shim::empty_device_cache().map_err(torch_error("empty the device's cache"))
}

/// Gives memory that the C allocator keeps after large tensors are gone back to the system. Takes milliseconds: call it
/// after a job or an unload, not in a loop.
pub fn trim_memory() {
    shim::trim_memory();
}

/// Makes the C allocator keep the memory of freed tensors for the next ones, until `trim_memory`: the system's faults for fresh pages
/// cost a tenth of the time of integrated gradients. For the whole process; call it before the work begins.
pub fn keep_freed_memory() {
    shim::keep_freed_memory();
}

/// Resident memory of this process in bytes; 0 where `/proc` is missing.
pub fn resident_bytes() -> u64 {
    const KIBIBYTE: u64 = 1024;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) * KIBIBYTE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own: other tests take and give memory meanwhile.
    #[test]
    fn memory_of_a_dropped_tensor_goes_back() {
        const ALONE: &str = "MEASURED_ALONE";
        if std::env::var_os(ALONE).is_none() {
            let name = "ml::torch::memory::tests::memory_of_a_dropped_tensor_goes_back";
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            let output = child.args([name, "--exact"]).env(ALONE, "1").output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && told.contains("1 passed"), "{told}");
            return;
        }
        let before = resident_bytes();
        let tensors: Vec<_> =
            (0..1000).map(|_| tch::Tensor::ones([16 << 10], (tch::Kind::Float, tch::Device::Cpu))).collect();
        assert!(resident_bytes() > before + (40 << 20));
        drop(tensors);
        trim_memory();
        assert!(resident_bytes() < before + (40 << 20));
    }
}

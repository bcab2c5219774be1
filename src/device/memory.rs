//! How much memory a device has.

use std::fs;

use tch::Device;

use crate::domain::Result;
use crate::ml::torch;

/// Bytes of memory of a device.
pub(super) fn total_bytes(device: Device) -> Result<u64> {
    match device {
        Device::Cpu | Device::Mps | Device::Vulkan => Ok(host_bytes()),
        Device::Cuda(index) => Ok(torch::device_memory(index)?.total),
    }
}

/// Bytes of main memory that this process may use: the machine's, or its control group's limit where that is smaller.
/// Zero when neither can be read.
fn host_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text));
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(group).min().unwrap_or(0)
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total() {
        assert_eq!(mem_total("MemTotal:       32 kB\nMemFree: 1 kB\n"), Some(32 << 10));
        assert_eq!(mem_total("nothing"), None);
    }
}

//! The Rust half of the shim: what unlearnd needs of libtorch and tch does not offer. Nothing here decides anything.
//!
//! | file | what it binds |
//! |---|---|
//! | `mod.rs`, `settings.cpp` | modes of a thread and of the process, memory |
//! | `kernels.rs`, `images.cpp`, `texts.cpp` | operations on tensors, over the loops in `ml/kernels` |
//! | `module.rs`, `module.cpp` | TorchScript modules |
//!
//! JUSTIFICATION: the only folder with `unsafe`. tch has no deep copy, named buffers, loading and saving in memory, building
//! of TorchScript modules, CPU autocast, matmul precision, memory figures or a count of allocations; all of them are calls into C++.
#![allow(unsafe_code)]

mod kernels;
mod module;

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;

use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

pub(super) use kernels::{
    Epilogue, attention, attention_supported, convolution, pack_winograd, rms_norm, swiglu, turn, winograd,
    winograd_supported,
};
pub(super) use module::ScriptModule;

type Result<T> = std::result::Result<T, TchError>;

unsafe extern "C" {
    fn unlearnd_last_error() -> *const c_char;
    fn unlearnd_autocast_get(device: c_int) -> c_int;
    fn unlearnd_autocast_set(device: c_int, enabled: c_int) -> c_int;
    fn unlearnd_autocast_nest(enter: c_int);
    fn unlearnd_cpu_has_bf16() -> c_int;
    fn unlearnd_set_matmul_precision(precision: *const c_char) -> c_int;
    fn unlearnd_set_deterministic(on: c_int) -> c_int;
    fn unlearnd_trim_memory();
    fn unlearnd_keep_freed_memory();
    fn unlearnd_device_memory(device: c_int, values: *mut u64) -> c_int;
    fn unlearnd_device_empty_cache() -> c_int;
    fn unlearnd_device_reset_peak(device: c_int) -> c_int;
    fn unlearnd_meter_start() -> c_int;
    fn unlearnd_meter_peak() -> u64;
    fn unlearnd_meter_stop();
}

fn last_error() -> TchError {
    // SAFETY: the shim returns a NUL-terminated string of this thread that lives until its next call.
    let text = unsafe { CStr::from_ptr(unlearnd_last_error()) };
    TchError::Torch(text.to_string_lossy().into_owned())
}

fn check(status: c_int) -> Result<()> {
    if status == 0 { Ok(()) } else { Err(last_error()) }
}

fn device_index(device: Device) -> c_int {
    match device {
        Device::Cuda(index) => index as c_int,
        Device::Cpu | Device::Mps | Device::Vulkan => -1,
    }
}

/// Whether this thread autocasts to bf16 on this kind of device.
pub(super) fn autocast(device: Device) -> bool {
    // SAFETY: reads a thread-local flag.
    unsafe { unlearnd_autocast_get(device_index(device)) != 0 }
}

pub(super) fn set_autocast(device: Device, enabled: bool) -> Result<()> {
    // SAFETY: sets thread-local flags.
    check(unsafe { unlearnd_autocast_set(device_index(device), c_int::from(enabled)) })
}

/// Counts nested autocast regions; leaving the outermost one drops the cached bf16 copies of the weights.
pub(super) fn nest_autocast(enter: bool) {
    // SAFETY: changes a thread-local counter.
    unsafe { unlearnd_autocast_nest(c_int::from(enter)) }
}

/// Whether oneDNN computes in bf16 on this CPU.
pub(super) fn cpu_has_bf16() -> bool {
    // SAFETY: reads a property of the machine.
    unsafe { unlearnd_cpu_has_bf16() != 0 }
}

/// `highest`, `high` or `medium`, as `torch.set_float32_matmul_precision`.
pub(super) fn set_matmul_precision(precision: &str) -> Result<()> {
    let precision = CString::new(precision)?;
    // SAFETY: the string outlives the call.
    check(unsafe { unlearnd_set_matmul_precision(precision.as_ptr()) })
}

/// Makes cuDNN choose reproducible algorithms.
pub(super) fn set_deterministic(on: bool) -> Result<()> {
    // SAFETY: sets process-wide flags.
    check(unsafe { unlearnd_set_deterministic(c_int::from(on)) })
}

/// Gives memory that the C allocator keeps back to the system.
pub(super) fn trim_memory() {
    // SAFETY: `malloc_trim` may be called at any time from any thread.
    unsafe { unlearnd_trim_memory() }
}

/// Sets the C allocator to keep the memory of freed tensors for the next ones.
pub(super) fn keep_freed_memory() {
    // SAFETY: `mallopt` may be called at any time from any thread.
    unsafe { unlearnd_keep_freed_memory() }
}

/// Free, total, allocated, reserved and peak bytes of a CUDA device.
pub(super) fn device_memory(index: usize) -> Result<[u64; 5]> {
    let mut values = [0; 5];
    // SAFETY: the shim writes five values.
    check(unsafe { unlearnd_device_memory(index as c_int, values.as_mut_ptr()) })?;
    Ok(values)
}

pub(super) fn empty_device_cache() -> Result<()> {
    // SAFETY: the allocator locks itself.
    check(unsafe { unlearnd_device_empty_cache() })
}

pub(super) fn reset_device_peak(index: usize) -> Result<()> {
    // SAFETY: the allocator locks itself.
    check(unsafe { unlearnd_device_reset_peak(index as c_int) })
}

/// Counts the bytes of CPU tensors that this thread allocates while it lives.
#[derive(Debug)]
pub(super) struct AllocationMeter {
    /// It belongs to the thread that made it.
    _thread: PhantomData<*const ()>,
}

impl AllocationMeter {
    pub(super) fn start() -> Result<Self> {
        // SAFETY: sets thread-local state, which `drop` takes back.
        check(unsafe { unlearnd_meter_start() })?;
        Ok(Self { _thread: PhantomData })
    }

    /// The most bytes live at once so far.
    #[expect(clippy::unused_self, reason = "there is a figure only while a meter runs")]
    pub(super) fn peak(&self) -> u64 {
        // SAFETY: reads thread-local state.
        unsafe { unlearnd_meter_peak() }
    }
}

impl Drop for AllocationMeter {
    fn drop(&mut self) {
        // SAFETY: the meter was started on this thread.
        unsafe { unlearnd_meter_stop() }
    }
}

fn adopt_tensor(tensor: *mut C_tensor) -> Result<Tensor> {
    if tensor.is_null() {
        return Err(last_error());
    }
    // SAFETY: a fresh `new Tensor` of the shim that is now ours alone.
    Ok(unsafe { Tensor::from_ptr(tensor) })
}

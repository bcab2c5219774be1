//! The Rust half of `shim.cpp`: what unlearnd needs of libtorch and tch does not offer. Nothing here decides anything.
//!
//! JUSTIFICATION: the only file with `unsafe`. tch has no deep copy, named buffers, loading and saving in memory, building
//! of TorchScript modules, CPU autocast, matmul precision, memory figures or a count of allocations; all of them are calls into C++.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

type Result<T> = std::result::Result<T, TchError>;

/// A `torch::jit::Module`, only ever behind a pointer.
#[repr(C)]
struct RawModule {
    _private: [u8; 0],
}

type VisitTensor = extern "C" fn(*mut c_void, *const c_char, *mut C_tensor);
type WriteBytes = extern "C" fn(*mut c_void, *const c_char, usize);

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
    fn unlearnd_convolution(
        input: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        stride: i64,
        padding: i64,
        addend: *const C_tensor,
        rectify: c_int,
    ) -> *mut C_tensor;
    fn unlearnd_winograd_supported() -> c_int;
    fn unlearnd_winograd_pack(weight: *const C_tensor) -> *mut C_tensor;
    fn unlearnd_winograd(
        input: *const C_tensor,
        packed: *const C_tensor,
        bias: *const C_tensor,
        addend: *const C_tensor,
        mask: *const C_tensor,
        rectify: c_int,
        output: *const C_tensor,
    ) -> c_int;
    fn unlearnd_rms_norm(input: *const C_tensor, weight: *const C_tensor, epsilon: f64) -> *mut C_tensor;
    fn unlearnd_swiglu(gate: *const C_tensor, up: *const C_tensor) -> *mut C_tensor;
    fn unlearnd_turn(heads: *const C_tensor, cosines: *const C_tensor, sines: *const C_tensor) -> *mut C_tensor;
    fn unlearnd_module_load(data: *const u8, size: usize, device: c_int) -> *mut RawModule;
    fn unlearnd_module_new(class_name: *const c_char) -> *mut RawModule;
    fn unlearnd_module_insert(
        module: *mut RawModule,
        path: *const c_char,
        name: *const c_char,
        tensor: *const C_tensor,
        is_buffer: c_int,
    ) -> c_int;
    fn unlearnd_module_define(module: *mut RawModule, source: *const c_char) -> c_int;
    fn unlearnd_module_copy(module: *const RawModule) -> *mut RawModule;
    fn unlearnd_module_freeze(module: *const RawModule, keeps_head: c_int) -> *mut RawModule;
    fn unlearnd_module_free(module: *mut RawModule);
    fn unlearnd_module_train(module: *mut RawModule, on: c_int) -> c_int;
    fn unlearnd_module_has_method(module: *const RawModule, name: *const c_char) -> c_int;
    fn unlearnd_module_call(module: *mut RawModule, method: *const c_char, input: *const C_tensor) -> *mut C_tensor;
    fn unlearnd_module_tensors(
        module: *const RawModule,
        buffers: c_int,
        data: *mut c_void,
        visit: VisitTensor,
    ) -> c_int;
    fn unlearnd_module_save(module: *const RawModule, data: *mut c_void, write: WriteBytes) -> c_int;
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

fn pointer(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), |tensor| tensor.as_ptr())
}

/// Convolution with a square window and bias, plus `addend`, then the rectifier if `rectify`: one operation on a CPU. The addend, in
/// channels_last memory, is given up: the sum may be written over it, so nobody else may read it afterwards.
pub(super) fn convolution(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    stride: i64,
    padding: i64,
    addend: Option<Tensor>,
    rectify: bool,
) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call; null stands for an absent one.
    adopt_tensor(unsafe {
        unlearnd_convolution(
            input.as_ptr(),
            weight.as_ptr(),
            pointer(bias),
            stride,
            padding,
            pointer(addend.as_ref()),
            c_int::from(rectify),
        )
    })
}

/// Whether the kernel of `winograd.cpp` is the fastest for this processor.
pub(super) fn winograd_supported() -> bool {
    // SAFETY: reads a property of the machine.
    unsafe { unlearnd_winograd_supported() != 0 }
}

/// Filters `[K,C,3,3]`, channels in multiples of 16, as `winograd` takes them.
pub(super) fn pack_winograd(weight: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensor outlives the call.
    adopt_tensor(unsafe { unlearnd_winograd_pack(weight.as_ptr()) })
}

/// What follows a convolution before its result is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Epilogue<'a> {
    pub bias: Option<&'a Tensor>,
    pub addend: Option<&'a Tensor>,
    /// The result is zero where this is not positive.
    pub mask: Option<&'a Tensor>,
    pub rectify: bool,
}

/// A 3x3 convolution with stride 1 and padding 1 of f32 images in channels_last into `output`, which may be the mask. Only where
/// `winograd_supported`.
pub(super) fn winograd(input: &Tensor, packed: &Tensor, after: Epilogue<'_>, output: &Tensor) -> Result<()> {
    let Epilogue { bias, addend, mask, rectify } = after;
    // SAFETY: the tensors outlive the call, the shim checks their sizes and layouts; null stands for an absent one.
    check(unsafe {
        unlearnd_winograd(
            input.as_ptr(),
            packed.as_ptr(),
            pointer(bias),
            pointer(addend),
            pointer(mask),
            c_int::from(rectify),
            output.as_ptr(),
        )
    })
}

/// Rows `[..,D]` normalised by a weight `[D]` that is not trained; f32 on a CPU. Gradients flow to the rows, once.
pub(super) fn rms_norm(input: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call, and the shim checks their sizes and kinds.
    adopt_tensor(unsafe { unlearnd_rms_norm(input.as_ptr(), weight.as_ptr(), epsilon) })
}

/// `gate * sigmoid(gate) * up` of two tensors of one size; f32 on a CPU. Gradients flow to both, once.
pub(super) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call, and the shim checks their sizes and kinds.
    adopt_tensor(unsafe { unlearnd_swiglu(gate.as_ptr(), up.as_ptr()) })
}

/// Heads `[N,H,T,D]` turned by angles `[N or 1,1,T,D]`, the first half of whose sines is negative; f32 on a CPU. Gradients flow to the
/// heads, once.
pub(super) fn turn(heads: &Tensor, cosines: &Tensor, sines: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call, and the shim checks their sizes and kinds.
    adopt_tensor(unsafe { unlearnd_turn(heads.as_ptr(), cosines.as_ptr(), sines.as_ptr()) })
}

/// A TorchScript module with the operations that `tch::CModule` lacks.
#[derive(Debug)]
pub(super) struct ScriptModule {
    raw: NonNull<RawModule>,
}

// SAFETY: a module is a reference-counted handle to objects that no other thread holds; moving it moves them all.
unsafe impl Send for ScriptModule {}

impl Drop for ScriptModule {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the shim's `new` and is freed once.
        unsafe { unlearnd_module_free(self.raw.as_ptr()) }
    }
}

impl ScriptModule {
    /// From the bytes of a file, in evaluation mode, on `device`. The bytes are copied.
    pub(super) fn load(bytes: &[u8], device: Device) -> Result<Self> {
        // SAFETY: the bytes outlive the call and the loader copies what it keeps.
        Self::adopt(unsafe { unlearnd_module_load(bytes.as_ptr(), bytes.len(), device_index(device)) })
    }

    /// An empty module of this class (`__torch__.unlearnd.Backbone`).
    pub(super) fn new(class_name: &str) -> Result<Self> {
        let class_name = CString::new(class_name)?;
        // SAFETY: the string outlives the call.
        Self::adopt(unsafe { unlearnd_module_new(class_name.as_ptr()) })
    }

    fn adopt(raw: *mut RawModule) -> Result<Self> {
        NonNull::new(raw).map(|raw| Self { raw }).ok_or_else(last_error)
    }

    /// Registers a parameter or buffer under its dotted name, with the submodules on the way.
    pub(super) fn insert(&mut self, name: &str, tensor: &Tensor, is_buffer: bool) -> Result<()> {
        let (path, name) = name.rsplit_once('.').unwrap_or(("", name));
        let (path, name) = (CString::new(path)?, CString::new(name)?);
        // SAFETY: all pointers outlive the call; the shim shares the tensor by reference count.
        check(unsafe {
            unlearnd_module_insert(
                self.raw.as_ptr(),
                path.as_ptr(),
                name.as_ptr(),
                tensor.as_ptr(),
                c_int::from(is_buffer),
            )
        })
    }

    /// Compiles TorchScript source: a row of methods of this module.
    pub(super) fn define(&mut self, source: &str) -> Result<()> {
        let source = CString::new(source)?;
        // SAFETY: the string outlives the call.
        check(unsafe { unlearnd_module_define(self.raw.as_ptr(), source.as_ptr()) })
    }

    /// A copy that shares nothing.
    pub(super) fn deep_copy(&self) -> Result<Self> {
        // SAFETY: the module is alive.
        Self::adopt(unsafe { unlearnd_module_copy(self.raw.as_ptr()) })
    }

    /// A copy for inference and gradients by the input, its weights constants and its BatchNorm folded; with `keeps_head` it
    /// has `embed` and `head` too. This module must be in evaluation mode.
    pub(super) fn freeze(&self, keeps_head: bool) -> Result<Self> {
        // SAFETY: the module is alive.
        Self::adopt(unsafe { unlearnd_module_freeze(self.raw.as_ptr(), c_int::from(keeps_head)) })
    }

    /// Training or evaluation mode of the module and all below it.
    pub(super) fn set_train(&self, on: bool) -> Result<()> {
        // SAFETY: the module is alive and on this thread only (`ScriptModule` is not `Sync`).
        check(unsafe { unlearnd_module_train(self.raw.as_ptr(), c_int::from(on)) })
    }

    pub(super) fn has_method(&self, name: &str) -> bool {
        CString::new(name).is_ok_and(|name| {
            // SAFETY: module and string outlive the call.
            unsafe { unlearnd_module_has_method(self.raw.as_ptr(), name.as_ptr()) != 0 }
        })
    }

    /// Calls a method that takes one tensor and gives one.
    pub(super) fn call(&self, method: &str, input: &Tensor) -> Result<Tensor> {
        let method = CString::new(method)?;
        // SAFETY: all pointers outlive the call.
        adopt_tensor(unsafe { unlearnd_module_call(self.raw.as_ptr(), method.as_ptr(), input.as_ptr()) })
    }

    /// Parameters under their dotted names, sharing the module's memory.
    pub(super) fn named_parameters(&self) -> Result<Vec<(String, Tensor)>> {
        self.tensors(false)
    }

    pub(super) fn named_buffers(&self) -> Result<Vec<(String, Tensor)>> {
        self.tensors(true)
    }

    fn tensors(&self, buffers: bool) -> Result<Vec<(String, Tensor)>> {
        extern "C" fn visit(data: *mut c_void, name: *const c_char, tensor: *mut C_tensor) {
            // SAFETY: `data` is the vector below, `name` is NUL-terminated, `tensor` is a fresh `new Tensor`.
            unsafe {
                let found = &mut *data.cast::<Vec<(String, Tensor)>>();
                found.push((CStr::from_ptr(name).to_string_lossy().into_owned(), Tensor::from_ptr(tensor)));
            }
        }
        let mut found: Vec<(String, Tensor)> = Vec::new();
        // SAFETY: the callback is called during this call only.
        check(unsafe {
            unlearnd_module_tensors(
                self.raw.as_ptr(),
                c_int::from(buffers),
                std::ptr::from_mut(&mut found).cast(),
                visit,
            )
        })?;
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(found)
    }

    /// The bytes of a `.pt` file that `torch.jit.load` opens.
    pub(super) fn save(&self) -> Result<Vec<u8>> {
        extern "C" fn write(data: *mut c_void, bytes: *const c_char, size: usize) {
            // SAFETY: `data` is the vector below and `bytes` has `size` bytes.
            unsafe {
                let saved = &mut *data.cast::<Vec<u8>>();
                saved.extend_from_slice(std::slice::from_raw_parts(bytes.cast(), size));
            }
        }
        let mut saved: Vec<u8> = Vec::new();
        // SAFETY: the callback is called during this call only.
        check(unsafe { unlearnd_module_save(self.raw.as_ptr(), std::ptr::from_mut(&mut saved).cast(), write) })?;
        Ok(saved)
    }
}

//! TorchScript modules.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use tch::{Device, Tensor};
use torch_sys::C_tensor;

use super::{Result, adopt_tensor, check, device_index, last_error};

/// A `torch::jit::Module`, only ever behind a pointer.
#[repr(C)]
struct RawModule {
    _private: [u8; 0],
}

type VisitTensor = extern "C" fn(*mut c_void, *const c_char, *mut C_tensor);
type WriteBytes = extern "C" fn(*mut c_void, *const c_char, usize);

unsafe extern "C" {
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

/// A TorchScript module with the operations that `tch::CModule` lacks.
#[derive(Debug)]
pub(in crate::ml) struct ScriptModule {
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
    pub(in crate::ml) fn load(bytes: &[u8], device: Device) -> Result<Self> {
        // SAFETY: the bytes outlive the call and the loader copies what it keeps.
        Self::adopt(unsafe { unlearnd_module_load(bytes.as_ptr(), bytes.len(), device_index(device)) })
    }

    /// An empty module of this class (`__torch__.unlearnd.Backbone`).
    pub(in crate::ml) fn new(class_name: &str) -> Result<Self> {
        let class_name = CString::new(class_name)?;
        // SAFETY: the string outlives the call.
        Self::adopt(unsafe { unlearnd_module_new(class_name.as_ptr()) })
    }

    fn adopt(raw: *mut RawModule) -> Result<Self> {
        NonNull::new(raw).map(|raw| Self { raw }).ok_or_else(last_error)
    }

    /// Registers a parameter or buffer under its dotted name, with the submodules on the way.
    pub(in crate::ml) fn insert(&mut self, name: &str, tensor: &Tensor, is_buffer: bool) -> Result<()> {
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
    pub(in crate::ml) fn define(&mut self, source: &str) -> Result<()> {
        let source = CString::new(source)?;
        // SAFETY: the string outlives the call.
        check(unsafe { unlearnd_module_define(self.raw.as_ptr(), source.as_ptr()) })
    }

    /// A copy that shares nothing.
    pub(in crate::ml) fn deep_copy(&self) -> Result<Self> {
        // SAFETY: the module is alive.
        Self::adopt(unsafe { unlearnd_module_copy(self.raw.as_ptr()) })
    }

    /// A copy for inference and gradients by the input, its weights constants and its BatchNorm folded; with `keeps_head` it
    /// has `embed` and `head` too. This module must be in evaluation mode.
    pub(in crate::ml) fn freeze(&self, keeps_head: bool) -> Result<Self> {
        // SAFETY: the module is alive.
        Self::adopt(unsafe { unlearnd_module_freeze(self.raw.as_ptr(), c_int::from(keeps_head)) })
    }

    /// Training or evaluation mode of the module and all below it.
    pub(in crate::ml) fn set_train(&self, on: bool) -> Result<()> {
        // SAFETY: the module is alive and on this thread only (`ScriptModule` is not `Sync`).
        check(unsafe { unlearnd_module_train(self.raw.as_ptr(), c_int::from(on)) })
    }

    pub(in crate::ml) fn has_method(&self, name: &str) -> bool {
        CString::new(name).is_ok_and(|name| {
            // SAFETY: module and string outlive the call.
            unsafe { unlearnd_module_has_method(self.raw.as_ptr(), name.as_ptr()) != 0 }
        })
    }

    /// Calls a method that takes one tensor and gives one.
    pub(in crate::ml) fn call(&self, method: &str, input: &Tensor) -> Result<Tensor> {
        let method = CString::new(method)?;
        // SAFETY: all pointers outlive the call.
        adopt_tensor(unsafe { unlearnd_module_call(self.raw.as_ptr(), method.as_ptr(), input.as_ptr()) })
    }

    /// Parameters under their dotted names, sharing the module's memory.
    pub(in crate::ml) fn named_parameters(&self) -> Result<Vec<(String, Tensor)>> {
        self.tensors(false)
    }

    pub(in crate::ml) fn named_buffers(&self) -> Result<Vec<(String, Tensor)>> {
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
    pub(in crate::ml) fn save(&self) -> Result<Vec<u8>> {
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

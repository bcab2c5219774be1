//! What every numeric method needs of libtorch: devices, guards for thread modes, faults in our own terms, images as
//! tensors, memory. May depend on `domain` and the shim.

mod device;
mod fault;
mod guard;
mod images;
mod memory;
mod peak;
mod precision;
mod processor;
mod tensor;

pub use device::{
    device_count, device_name, has_bf16, parse_device, set_deterministic, set_matmul_precision, set_threads,
};
pub use fault::torch_error;
pub use guard::{Autocast, NoGrad, OneThread};
pub use images::images_to_tensor;
pub use memory::{
    DeviceMemory, device_memory, empty_device_cache, keep_freed_memory, reset_device_peak, resident_bytes, trim_memory,
};
pub use peak::peak_bytes;
pub use precision::check_precision;
pub use processor::mkl_is_fast;
pub use tensor::{byte_size, channels_last, deep_copy, is_f32_on_cpu, is_finite, tensor_bytes};

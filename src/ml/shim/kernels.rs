//! Operations on tensors that libtorch composes of several, or leaves to a slow library.

use std::ffi::c_int;

use tch::Tensor;
use torch_sys::C_tensor;

use super::{Result, adopt_tensor, check};

unsafe extern "C" {
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
    fn unlearnd_attention(
        query: *const C_tensor,
        key: *const C_tensor,
        value: *const C_tensor,
        causal: c_int,
    ) -> *mut C_tensor;
    fn unlearnd_attention_supported() -> c_int;
    fn unlearnd_turn(heads: *const C_tensor, cosines: *const C_tensor, sines: *const C_tensor) -> *mut C_tensor;
}

fn pointer(tensor: Option<&Tensor>) -> *const C_tensor {
    tensor.map_or(std::ptr::null(), |tensor| tensor.as_ptr())
}

/// Convolution with a square window and bias, plus `addend`, then the rectifier if `rectify`: one operation on a CPU. The addend, in
/// channels_last memory, is given up: the sum may be written over it, so nobody else may read it afterwards.
pub(in crate::ml) fn convolution(
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
pub(in crate::ml) fn winograd_supported() -> bool {
    // SAFETY: reads a property of the machine.
    unsafe { unlearnd_winograd_supported() != 0 }
}

/// Filters `[K,C,3,3]`, channels in multiples of 16, as `winograd` takes them.
pub(in crate::ml) fn pack_winograd(weight: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensor outlives the call.
    adopt_tensor(unsafe { unlearnd_winograd_pack(weight.as_ptr()) })
}

/// What follows a convolution before its result is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::ml) struct Epilogue<'a> {
    pub bias: Option<&'a Tensor>,
    pub addend: Option<&'a Tensor>,
    /// The result is zero where this is not positive.
    pub mask: Option<&'a Tensor>,
    pub rectify: bool,
}

/// A 3x3 convolution with stride 1 and padding 1 of f32 images in channels_last into `output`, which may be the mask. Only where
/// `winograd_supported`.
pub(in crate::ml) fn winograd(input: &Tensor, packed: &Tensor, after: Epilogue<'_>, output: &Tensor) -> Result<()> {
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
pub(in crate::ml) fn rms_norm(input: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call, and the shim checks their sizes and kinds.
    adopt_tensor(unsafe { unlearnd_rms_norm(input.as_ptr(), weight.as_ptr(), epsilon) })
}

/// `gate * sigmoid(gate) * up` of two tensors of one size; f32 on a CPU. Gradients flow to both, once.
pub(in crate::ml) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call, and the shim checks their sizes and kinds.
    adopt_tensor(unsafe { unlearnd_swiglu(gate.as_ptr(), up.as_ptr()) })
}

/// Attention of heads `[N,H,T,D]` to keys and values `[N,K,S,D]`, in bf16 on a CPU and without gradients; `D` in whole vectors of 16, up
/// to 256. With `causal` (then `S = T`) a query sees the keys up to its own place.
pub(in crate::ml) fn attention(query: &Tensor, key: &Tensor, value: &Tensor, causal: bool) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call.
    adopt_tensor(unsafe { unlearnd_attention(query.as_ptr(), key.as_ptr(), value.as_ptr(), c_int::from(causal)) })
}

/// Whether the processor has what `attention` is made of.
pub(in crate::ml) fn attention_supported() -> bool {
    // SAFETY: reads a property of the machine.
    unsafe { unlearnd_attention_supported() != 0 }
}

/// Heads `[N,H,T,D]` turned by angles `[N or 1,1,T,D]`, the first half of whose sines is negative; f32 on a CPU. Gradients flow to the
/// heads, once.
pub(in crate::ml) fn turn(heads: &Tensor, cosines: &Tensor, sines: &Tensor) -> Result<Tensor> {
    // SAFETY: the tensors outlive the call, and the shim checks their sizes and kinds.
    adopt_tensor(unsafe { unlearnd_turn(heads.as_ptr(), cosines.as_ptr(), sines.as_ptr()) })
}

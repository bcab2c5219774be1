//! libtorch's errors are text. This is the one place that reads it: out of memory, shapes, a lost device, or other.

use tch::TchError;

use crate::domain::{Error, ErrorKind};

/// Turns a libtorch error into ours: `tensor.f_add(..).map_err(torch_error("add the shortcut"))?`.
/// The caller sees `context` and, for shapes, libtorch's sentence; the C++ stack is cut, the text is kept as source.
pub fn torch_error(context: &str) -> impl Fn(TchError) -> Error + '_ {
    move |error| {
        let text = essence(&error.to_string());
        let fault = classify(&text);
        let message = match fault {
            Fault::OutOfMemory => {
                format!("failed to {context}: the device is out of memory; use a smaller batch or unload a model")
            }
            Fault::Shape => format!("failed to {context}: {text}"),
            Fault::DeviceLost => format!("failed to {context}: the device does not answer any more"),
            Fault::Other => format!("failed to {context}"),
        };
        let (kind, reason) = fault.status();
        Error::new(kind, reason, message).with_source(text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    OutOfMemory,
    Shape,
    DeviceLost,
    Other,
}

impl Fault {
    fn status(self) -> (ErrorKind, &'static str) {
        match self {
            Self::OutOfMemory => (ErrorKind::ResourceExhausted, "OUT_OF_MEMORY"),
            Self::Shape => (ErrorKind::InvalidArgument, "OPERATION_SHAPE_MISMATCH"),
            Self::DeviceLost => (ErrorKind::Unavailable, "DEVICE_LOST"),
            Self::Other => (ErrorKind::Internal, "TORCH_ERROR"),
        }
    }
}

const OUT_OF_MEMORY: &[&str] =
    &["out of memory", "can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED", "bad_alloc"];
const DEVICE_LOST: &[&str] = &[
    "CUDA error",
    "CUDA driver",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "uncorrectable ECC",
    "no CUDA-capable device",
    "CUDNN_STATUS_EXECUTION_FAILED",
];
const SHAPE: &[&str] = &[
    "size mismatch",
    "sizes of",
    "size of tensor",
    "must match",
    "shapes cannot be multiplied",
    "Given groups=",
    "Kernel size can't be greater",
    "Expected 3D",
    "expected input",
    "is invalid for input of size",
    "output size is too small",
    "out of bounds",
    "dimension",
    "not aligned",
    "should contain",
];

fn classify(text: &str) -> Fault {
    let names = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if names(OUT_OF_MEMORY) {
        Fault::OutOfMemory
    } else if names(DEVICE_LOST) {
        Fault::DeviceLost
    } else if names(SHAPE) {
        Fault::Shape
    } else {
        Fault::Other
    }
}

/// The sentence in libtorch's text: without tch's prefix, TorchScript's traceback and the C++ stack.
fn essence(text: &str) -> String {
    let text = text.strip_prefix("Internal torch error: ").unwrap_or(text);
    let text = text.split("Exception raised from").next().unwrap_or(text);
    let text = match text.rsplit_once("RuntimeError: ") {
        Some((_, sentence)) => sentence,
        None => text,
    };
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Error {
        torch_error("run the model")(TchError::Torch(text.to_owned()))
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(fault("CUDA out of memory. Tried to allocate 2 GiB").reason, "OUT_OF_MEMORY");
        assert_eq!(fault("DefaultCPUAllocator: can't allocate memory: you tried").reason, "OUT_OF_MEMORY");
        assert_eq!(fault("CUDA error: device-side assert triggered").reason, "DEVICE_LOST");
        assert_eq!(fault("mat1 and mat2 shapes cannot be multiplied (1x3 and 4x2)").reason, "OPERATION_SHAPE_MISMATCH");
        assert_eq!(fault("vector::_M_range_check").reason, "TORCH_ERROR");
    }

    #[test]
    fn stacks_and_tracebacks_are_cut() {
        let text = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript:\n  \
                    File \"/srv/m.py\", line 3\nRuntimeError: sizes of tensors must match\nException raised from f at /a/b.cpp";
        assert_eq!(fault(text).message, "failed to run the model: sizes of tensors must match");
    }

    #[test]
    fn real_shape_errors_are_invalid_arguments() {
        let ones = |size: &[i64]| tch::Tensor::ones(size, (tch::Kind::Float, tch::Device::Cpu));
        let weight = ones(&[4, 3, 3, 3]);
        for image in [ones(&[1, 1, 8, 8]), ones(&[1, 3, 1, 1]), ones(&[8])] {
            let error = image.f_conv2d::<tch::Tensor>(&weight, None, [1, 1], [0, 0], [1, 1], 1).unwrap_err();
            let error = torch_error("convolve")(error);
            assert_eq!(error.reason, "OPERATION_SHAPE_MISMATCH", "{error} {:?}", error.source);
        }
        let error = ones(&[2, 3]).f_add(&ones(&[4, 5])).unwrap_err();
        assert_eq!(torch_error("add")(error).reason, "OPERATION_SHAPE_MISMATCH");
        let error = ones(&[2, 3]).f_linear::<tch::Tensor>(&ones(&[4, 5]), None).unwrap_err();
        assert_eq!(torch_error("multiply")(error).reason, "OPERATION_SHAPE_MISMATCH");
        let error = tch::Tensor::f_ones([1 << 50], (tch::Kind::Float, tch::Device::Cpu)).unwrap_err();
        assert_eq!(torch_error("allocate")(error).reason, "OUT_OF_MEMORY");
    }
}

//! Panics in a step become errors of that job alone.
//!
//! tch's plain operations panic with libtorch's text where its `f_` operations return it; both are classified alike.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::TchError;

use crate::domain::{Error, ErrorKind, Result};
use crate::ml::torch::torch_error;

/// How a plain tch operation begins its panic, after which libtorch's text follows.
const TCH_PANIC: &str = "called `Result::unwrap()` on an `Err` value: Torch(\"";

/// Runs `act`; a panic in it is an INTERNAL error (or what libtorch's text says).
///
/// Unwind safety: what a panic may leave half done is the task, which is dropped, and resident weights, which no task writes.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| Err(from_panic(panic.as_ref())))
}

/// Drops what may panic while being dropped.
pub(super) fn discard<T>(value: T) {
    if let Err(error) = guarded(|| {
        drop(value);
        Ok(())
    }) {
        tracing::error!(error = %error, "dropping a task panicked");
    }
}

fn from_panic(panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without text");
    tracing::error!(panic = text, "a step panicked");
    if let Some(libtorch) = text.split_once(TCH_PANIC).map(|(_, libtorch)| libtorch) {
        // The panic quotes the text with its line ends escaped; `torch_error` cuts the stack at a line.
        return torch_error("run a step of this work")(TchError::Torch(libtorch.replace("\\n", "\n")));
    }
    Error::new(
        ErrorKind::Internal,
        "STEP_PANICKED",
        "a step of this work failed unexpectedly; this is a defect of the daemon, other work goes on",
    )
    .with_source(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_tensor_operation_is_classified_like_a_fallible_one() {
        let error = guarded(|| Ok(tch::Tensor::from_slice(&[1.0, 2.0]) + tch::Tensor::from_slice(&[1.0, 2.0, 3.0])));
        let error = error.unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::InvalidArgument, "OPERATION_SHAPE_MISMATCH"));
        assert!(!error.message.contains("\\n") && !error.message.contains(".cpp"), "{error}");
    }

    #[test]
    fn a_panic_is_an_internal_error_without_its_text() {
        let error = guarded::<()>(|| panic!("at /secret/path")).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Internal, "STEP_PANICKED"));
        assert!(!error.message.contains("secret"));
    }
}

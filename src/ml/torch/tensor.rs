//! Small questions about tensors that many methods ask.

use tch::{Device, Kind, TchError, Tensor};

/// What our own kernels take.
pub fn is_f32_on_cpu(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float
}

/// The same values with the channels innermost in memory (`torch.channels_last`); other than 4-d tensors stay as they are.
/// oneDNN and cuDNN convolutions are faster in this layout.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    if tensor.dim() != 4 {
        return tensor.f_contiguous();
    }
    tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}

/// A copy with the same layout that shares nothing and records no gradients.
pub fn deep_copy(tensor: &Tensor) -> Result<Tensor, TchError> {
    let source = tensor.f_detach()?;
    let mut copy = source.f_empty_like()?;
    copy.f_copy_(&source)?;
    Ok(copy)
}

/// The values in C order, whatever the tensor's strides and device.
pub fn tensor_bytes(tensor: &Tensor) -> Result<Vec<u8>, TchError> {
    let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; byte_size(&tensor)];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(bytes)
}

/// Size of the values in bytes.
pub fn byte_size(tensor: &Tensor) -> usize {
    tensor.numel() * tensor.kind().elt_size_in_bytes()
}

/// Whether there is neither infinity nor NaN in it.
pub fn is_finite(tensor: &Tensor) -> Result<bool, TchError> {
    if matches!(tensor.f_kind()?, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
        return Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_last_changes_the_order_in_memory_only() {
        let image = Tensor::arange(2 * 3 * 4 * 5, (Kind::Float, Device::Cpu)).view([2, 3, 4, 5]);
        let last = channels_last(&image).unwrap();
        assert_eq!(last.size(), [2, 3, 4, 5]);
        assert_eq!(last.stride(), [60, 1, 15, 3]);
        assert_eq!(tensor_bytes(&last).unwrap(), tensor_bytes(&image).unwrap());
    }

    #[test]
    fn infinities_and_nans_are_found() {
        assert!(is_finite(&Tensor::from_slice(&[0.0_f32, 1.0])).unwrap());
        assert!(!is_finite(&Tensor::from_slice(&[0.0_f32, f32::NAN])).unwrap());
        assert!(!is_finite(&Tensor::from_slice(&[f32::INFINITY])).unwrap());
        assert!(is_finite(&Tensor::from_slice(&[1_i64])).unwrap());
    }
}

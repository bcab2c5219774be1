//! What an input is compared with. Baselines live where the model's input lives, normalised: pixel values `v` of channel `c`
//! become `(v - mean_c) / std_c`; a blur and a mean colour commute with that.

use tch::{Device, Kind, TchError, Tensor};

use super::randomness::{Draw, Randomness};
use crate::domain::attribution::Baseline;
use crate::domain::model::Preprocessing;
use crate::domain::{Error, Result};
use crate::ml::random::Purpose;
use crate::ml::torch::torch_error;

type Torch<T> = std::result::Result<T, TchError>;

/// The baselines of all items of a task.
#[derive(Debug)]
pub(super) struct Baselines {
    choice: Baseline,
    preprocessing: Preprocessing,
    device: Device,
}

impl Baselines {
    pub(super) fn new(choice: Baseline, preprocessing: Preprocessing, device: Device) -> Self {
        Self { choice, preprocessing, device }
    }

    /// How many an input has; more than one are averaged over.
    pub(super) fn count(&self) -> usize {
        match self.choice {
            Baseline::Uniform(count) => count as usize,
            Baseline::Zero
            | Baseline::Constant(_)
            | Baseline::Blur(_)
            | Baseline::Mean
            | Baseline::Custom(_)
            | Baseline::Encoded(_) => 1,
        }
    }

    /// The `number`-th baseline of an input `[1,C,H,W]`, in its shape.
    pub(super) fn image(
        &self,
        input: &Tensor,
        randomness: &dyn Randomness,
        item: u64,
        number: usize,
    ) -> Result<Tensor> {
        let made = match &self.choice {
            Baseline::Zero => input.f_zeros_like(),
            Baseline::Constant(value) => self.constant(input, *value),
            Baseline::Blur(stdev) => blur(input, f64::from(*stdev)),
            Baseline::Mean => input
                .f_mean_dim([2_i64, 3].as_slice(), true, None)
                .and_then(|mean| mean.f_expand_as(input)?.f_contiguous()),
            Baseline::Uniform(_) => {
                let draw = Draw { purpose: Purpose::AttributionBaseline, item, number: number as u64 };
                let pixels: Vec<f32> =
                    randomness.uniform(draw, input.numel()).into_iter().map(|value| value as f32).collect();
                Tensor::f_from_slice(&pixels).and_then(|pixels| self.normalised(&pixels.f_view_as(input)?))
            }
            Baseline::Custom(pixels) => self.custom(pixels),
            Baseline::Encoded(_) => return Err(undecoded()),
        };
        made.map_err(torch_error("make the baseline"))
    }

    fn constant(&self, input: &Tensor, value: f32) -> Torch<Tensor> {
        let pixels = Tensor::f_full(input.size(), f64::from(value), (Kind::Float, Device::Cpu))?;
        self.normalised(&pixels)
    }

    /// Pixels `[H,W,C]`.
    fn custom(&self, pixels: &[f32]) -> Torch<Tensor> {
        let Preprocessing { height, width, channels, .. } = self.preprocessing;
        let size = [1, height, width, channels].map(i64::from);
        self.normalised(&Tensor::f_from_slice(pixels)?.f_view(size)?.f_permute([0, 3, 1, 2])?)
    }

    fn normalised(&self, pixels: &Tensor) -> Torch<Tensor> {
        let channels = self.preprocessing.channels as usize;
        let column = |values: &[f32], default: f32| {
            let values: Vec<f32> =
                (0..channels).map(|channel| values.get(channel).copied().unwrap_or(default)).collect();
            Tensor::f_from_slice(&values)?.f_view([1, -1, 1, 1])
        };
        let (mean, std) = (column(&self.preprocessing.mean, 0.0)?, column(&self.preprocessing.std, 1.0)?);
        pixels.f_sub(&mean)?.f_div(&std)?.f_to_device(self.device)?.f_contiguous()
    }
}

/// Whoever has the image library turns it into `Baseline::Custom`.
fn undecoded() -> Error {
    Error::internal("a baseline reached the numeric code before its image was decoded")
}

/// Convolution with a Gaussian of `stdev` pixels, cut at four deviations or the image's size; its weights near the border are
/// scaled to sum 1.
fn blur(input: &Tensor, stdev: f64) -> Torch<Tensor> {
    let (_, channels, height, width) = input.size4()?;
    let images = input.f_reshape([channels, 1, height, width])?;
    let ones = images.f_ones_like()?;
    let smooth = |images: &Tensor| {
        let [down, across] = [height, width].map(|size| gaussian(stdev, size, input.device()));
        let (down, across) = (down?, across?);
        let [rows, columns] = [&down, &across].map(|window| window.numel() as i64 / 2);
        let images = images.f_conv2d(&down.f_view([1, 1, -1, 1])?, None::<&Tensor>, [1, 1], [rows, 0], [1, 1], 1)?;
        images.f_conv2d(&across.f_view([1, 1, 1, -1])?, None::<&Tensor>, [1, 1], [0, columns], [1, 1], 1)
    };
    smooth(&images)?.f_div(&smooth(&ones)?)?.f_view_as(input)
}

fn gaussian(stdev: f64, size: i64, device: Device) -> Torch<Tensor> {
    let reach = ((4.0 * stdev).ceil() as i64).clamp(1, size);
    let weights: Vec<f32> =
        (-reach..=reach).map(|distance| (-0.5 * (distance as f64 / stdev).powi(2)).exp() as f32).collect();
    Tensor::f_from_slice(&weights)?.f_to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::attribution::randomness::Streams;
    use crate::ml::testing::preprocessing;

    fn image(choice: Baseline, input: &Tensor) -> Tensor {
        let baselines = Baselines::new(choice, preprocessing(), Device::Cpu);
        baselines.image(input, &Streams { seed: 3 }, 4, 0).unwrap()
    }

    fn ramp() -> Tensor {
        Tensor::linspace(-1.0, 1.0, 192, (Kind::Float, Device::Cpu)).view([1, 3, 8, 8])
    }

    fn all_close(left: &Tensor, right: f64) -> bool {
        (left - right).abs().max().double_value(&[]) < 1e-6
    }

    /// Mean .5 and deviation .25 in these tests.
    #[test]
    fn pixel_values_are_normalised() {
        assert!(all_close(&image(Baseline::Zero, &ramp()), 0.0));
        assert!(all_close(&image(Baseline::Constant(0.75), &ramp()), 1.0));
        let uniform = image(Baseline::Uniform(2), &ramp());
        assert!(uniform.min().double_value(&[]) >= -2.0 && uniform.max().double_value(&[]) <= 2.0);
        let pixels: Vec<f32> = (0..192).map(|value| (value % 3) as f32 * 0.5).collect();
        let custom = image(Baseline::Custom(pixels), &ramp());
        for (channel, expected) in [(0, -2.0), (1, 0.0), (2, 2.0)] {
            assert!(all_close(&custom.select(1, channel), expected));
        }
    }

    #[test]
    fn the_mean_is_the_images_own_colour() {
        let mean = image(Baseline::Mean, &ramp());
        for channel in 0..3 {
            assert!(all_close(&mean.select(1, channel), ramp().select(1, channel).mean(Kind::Float).double_value(&[])));
        }
    }

    #[test]
    fn a_blur_keeps_even_images_and_flattens_others() {
        assert!(all_close(&image(Baseline::Blur(2.0), &(ramp() * 0.0 + 0.5)), 0.5));
        let spread = |image: &Tensor| image.select(1, 0).std(true).double_value(&[]);
        assert!(spread(&image(Baseline::Blur(3.0), &ramp())) < 0.6 * spread(&ramp()));
        assert!(image(Baseline::Blur(1e6), &ramp()).isfinite().all().int64_value(&[]) == 1);
    }
}

//! models.proto: preprocessing.

use super::fields::{known, within};
use crate::domain::model::{Layout, Preprocessing, Resize};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

const MAX_SIDE: u32 = 4096;

impl TryFrom<pb::Preprocessing> for Preprocessing {
    type Error = Error;

    fn try_from(value: pb::Preprocessing) -> Result<Self> {
        let pb::Preprocessing { height, width, channels, mean, std, layout: layout_number, resize: resize_number } =
            value;
        if !matches!(channels, 1 | 3) {
            return Err(Error::invalid("OUT_OF_RANGE", "channels", format!("is {channels}; it must be 1 or 3")));
        }
        Ok(Self {
            height: within(height, 1..=MAX_SIDE, "height")?,
            width: within(width, 1..=MAX_SIDE, "width")?,
            channels,
            mean: per_channel(mean, channels, f32::is_finite, "finite", "mean")?,
            std: per_channel(std, channels, |std| std.is_finite() && std > 0.0, "finite and above 0", "std")?,
            layout: layout(layout_number)?,
            resize: resize(resize_number)?,
        })
    }
}

/// One allowed value a channel, or none.
fn per_channel(
    values: Vec<f32>,
    channels: u32,
    allowed: impl Fn(f32) -> bool,
    rule: &str,
    field: &str,
) -> Result<Vec<f32>> {
    if !values.is_empty() && values.len() != channels as usize {
        let problem = format!("has {} values; give one for each of {channels} channels, or none", values.len());
        return Err(Error::invalid("INVALID_NORMALISATION", field, problem));
    }
    match values.iter().position(|value| !allowed(*value)) {
        None => Ok(values),
        Some(index) => {
            let problem = format!("is {}; it must be {rule}", values[index]);
            Err(Error::invalid("OUT_OF_RANGE", format!("{field}[{index}]"), problem))
        }
    }
}

fn layout(number: i32) -> Result<Layout> {
    use pb::preprocessing::Layout as Wire;
    Ok(match known(number, "layout")? {
        Wire::Unspecified | Wire::Nchw => Layout::Nchw,
        Wire::Nhwc => Layout::Nhwc,
    })
}

fn resize(number: i32) -> Result<Resize> {
    use pb::preprocessing::Resize as Wire;
    Ok(match known(number, "resize")? {
        Wire::Unspecified => Resize::None,
        Wire::Bilinear => Resize::Bilinear,
    })
}

impl From<Preprocessing> for pb::Preprocessing {
    fn from(value: Preprocessing) -> Self {
        let Preprocessing { height, width, channels, mean, std, layout, resize } = value;
        let layout = match layout {
            Layout::Nchw => pb::preprocessing::Layout::Nchw,
            Layout::Nhwc => pb::preprocessing::Layout::Nhwc,
        };
        let resize = match resize {
            Resize::None => pb::preprocessing::Resize::Unspecified,
            Resize::Bilinear => pb::preprocessing::Resize::Bilinear,
        };
        Self { height, width, channels, mean, std, layout: layout.into(), resize: resize.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cifar() -> pb::Preprocessing {
        pb::Preprocessing {
            height: 32,
            width: 32,
            channels: 3,
            mean: vec![0.49, 0.48, 0.45],
            std: vec![0.25, 0.24, 0.26],
            ..Default::default()
        }
    }

    fn violated(value: pb::Preprocessing) -> String {
        Preprocessing::try_from(value).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn preprocessing_survives_the_round_trip() {
        let nhwc = pb::preprocessing::Layout::Nhwc.into();
        let value = Preprocessing::try_from(pb::Preprocessing { layout: nhwc, ..cifar() }).unwrap();
        assert_eq!(Preprocessing::try_from(pb::Preprocessing::from(value.clone())).unwrap(), value);
    }

    #[test]
    fn sizes_and_statistics_are_checked() {
        assert_eq!(violated(pb::Preprocessing { height: 0, ..cifar() }), "height");
        assert_eq!(violated(pb::Preprocessing { width: 4097, ..cifar() }), "width");
        assert_eq!(violated(pb::Preprocessing { channels: 2, ..cifar() }), "channels");
        assert_eq!(violated(pb::Preprocessing { mean: vec![0.5], ..cifar() }), "mean");
        assert_eq!(violated(pb::Preprocessing { std: vec![1.0, 0.0, 1.0], ..cifar() }), "std[1]");
        assert_eq!(violated(pb::Preprocessing { mean: vec![0.0, f32::NAN, 0.0], ..cifar() }), "mean[1]");
    }
}

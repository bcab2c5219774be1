//! From stored pixels to the model's input. Stating any of it replaces the architecture's usual preprocessing as a whole.

use clap::Args;

use crate::client::words::parser;
use crate::pb::v1::Preprocessing;
use crate::pb::v1::preprocessing::{Layout, Resize};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Preprocessing")]
pub(crate) struct PreprocessingArgs {
    /// Height and width of the input, or one number for both [default: 224 for resnet*, else 32].
    #[arg(long, value_name = "SIDE|HEIGHTxWIDTH", value_parser = size)]
    size: Option<(u32, u32)>,
    /// 1 (grey) or 3 (RGB) [default: as many as there are means, else 3].
    #[arg(long)]
    channels: Option<u32>,
    /// Subtracted from pixels in [0, 1], by channel [default: 0].
    #[arg(long, value_delimiter = ',', value_name = "R,G,B", allow_negative_numbers = true)]
    mean: Vec<f32>,
    /// Divides pixels after that, by channel [default: 1].
    #[arg(long, value_delimiter = ',', value_name = "R,G,B")]
    std: Vec<f32>,
    /// Order of the axes that `forward` takes [default: nchw].
    #[arg(long, value_parser = parser::<Layout>())]
    layout: Option<Layout>,
    /// What to do with images of another size; without it they are refused.
    #[arg(long, value_parser = parser::<Resize>())]
    resize: Option<Resize>,
}

impl PreprocessingArgs {
    /// None when nothing was said.
    pub(crate) fn message(&self, architecture: Option<&str>) -> Option<Preprocessing> {
        let stated = self.size.is_some() || self.channels.is_some() || !self.mean.is_empty() || !self.std.is_empty();
        if !stated && self.layout.is_none() && self.resize.is_none() {
            return None;
        }
        let (height, width) = self.size.unwrap_or_else(|| usual_size(architecture));
        Some(Preprocessing {
            height,
            width,
            channels: self.channels(),
            mean: self.mean.clone(),
            std: self.std.clone(),
            layout: self.layout.unwrap_or_default().into(),
            resize: self.resize.unwrap_or_default().into(),
        })
    }

    fn channels(&self) -> u32 {
        let stated = self.mean.len().max(self.std.len()) as u32;
        self.channels.unwrap_or(if stated > 0 { stated } else { 3 })
    }
}

/// TorchScript has no usual size: 0, which the daemon refuses by name.
fn usual_size(architecture: Option<&str>) -> (u32, u32) {
    match architecture {
        None => (0, 0),
        Some(name) if name.starts_with("resnet") => (224, 224),
        Some(_) => (32, 32),
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    let parsed = height.parse().ok().zip(width.parse().ok());
    parsed.ok_or_else(|| format!("`{text}` is not SIDE or HEIGHTxWIDTH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("32"), Ok((32, 32)));
        assert_eq!(size("28x30"), Ok((28, 30)));
        assert!(size("big").is_err());
    }

    #[test]
    fn nothing_said_is_no_message() {
        assert_eq!(PreprocessingArgs::default().message(Some("small_cnn")), None);
        let grey = PreprocessingArgs { mean: vec![0.5], ..PreprocessingArgs::default() };
        let message = grey.message(Some("small_cnn")).unwrap();
        assert_eq!((message.channels, message.height), (1, 32));
    }
}

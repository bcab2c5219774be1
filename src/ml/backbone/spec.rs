//! Checks of a model specification before anything is read.

use super::architectures;
use crate::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing};
use crate::domain::{Error, Result};

const LARGEST_IMAGE: u32 = 4096;
const MOST_CHANNELS: u32 = 64;
const MOST_CLASSES: u32 = 100_000;

/// Whether the architecture exists and the numbers make sense. `class_count` 0 means: as the weights say.
pub fn validate_spec(spec: &ModelSpec) -> Result<()> {
    validate_architecture(spec)?;
    validate_classes(spec)?;
    validate_preprocessing(&spec.preprocessing).map_err(|error| error.under("preprocessing"))
}

fn validate_architecture(spec: &ModelSpec) -> Result<()> {
    match spec.format {
        ModelFormat::TorchScript if spec.architecture.is_empty() => Ok(()),
        ModelFormat::TorchScript => {
            let description = "a TorchScript file brings its own code; leave the architecture empty";
            Err(Error::invalid("ARCHITECTURE_NOT_ALLOWED", "architecture", description))
        }
        ModelFormat::HuggingFace | ModelFormat::Peft => {
            let description = "this is the format of language models; say TORCHSCRIPT or SAFETENSORS";
            Err(Error::invalid("FORMAT_NOT_FOR_IMAGES", "format", description))
        }
        ModelFormat::Safetensors => {
            let smallest = architectures::find(&spec.architecture)?.smallest_image;
            let Preprocessing { height, width, layout, .. } = spec.preprocessing;
            if height.min(width) < smallest {
                let description = format!(
                    "`{}` takes images of at least {smallest}x{smallest}, got {height}x{width}",
                    spec.architecture
                );
                return Err(Error::invalid("IMAGE_TOO_SMALL", "preprocessing.height", description));
            }
            match layout {
                Layout::Nchw => Ok(()),
                Layout::Nhwc => {
                    let description = "built-in architectures take NCHW; NHWC is for TorchScript models";
                    Err(Error::invalid("UNSUPPORTED_LAYOUT", "preprocessing.layout", description))
                }
            }
        }
    }
}

fn validate_classes(spec: &ModelSpec) -> Result<()> {
    let count = spec.class_count;
    if count == 1 || count > MOST_CLASSES {
        let description = format!("{count} is not in 2..={MOST_CLASSES} (0: as the weights say)");
        return Err(Error::invalid("INVALID_CLASS_COUNT", "class_count", description));
    }
    let names = &spec.class_names;
    if count != 0 && !names.is_empty() && names.len() != count as usize {
        let description = format!("{} names for {count} classes; name all classes or none", names.len());
        return Err(Error::invalid("CLASS_NAMES_MISMATCH", "class_names", description));
    }
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    if distinct.len() != names.len() {
        return Err(Error::invalid("DUPLICATE_CLASS_NAME", "class_names", "two classes have the same name"));
    }
    Ok(())
}

fn validate_preprocessing(preprocessing: &Preprocessing) -> Result<()> {
    let Preprocessing { height, width, channels, mean, std, layout: _, resize: _ } = preprocessing;
    let sizes =
        [("height", *height, LARGEST_IMAGE), ("width", *width, LARGEST_IMAGE), ("channels", *channels, MOST_CHANNELS)];
    for (field, value, largest) in sizes {
        if value == 0 || value > largest {
            let description = format!("{value} is not in 1..={largest}");
            return Err(Error::invalid("INVALID_IMAGE_SHAPE", field, description));
        }
    }
    for (field, values) in [("mean", mean), ("std", std)] {
        if !values.is_empty() && values.len() != *channels as usize {
            let description = format!("{} values for {channels} channels; give one for each or none", values.len());
            return Err(Error::invalid("INVALID_NORMALISATION", field, description));
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(Error::invalid("INVALID_NORMALISATION", field, format!("{value} is not finite")));
        }
    }
    match std.iter().find(|value| **value <= 0.0) {
        Some(value) => Err(Error::invalid("INVALID_NORMALISATION", "std", format!("{value} is not positive"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::backbone::testing::spec;

    fn reason(change: impl FnOnce(&mut ModelSpec)) -> &'static str {
        let mut spec = spec("cifar_resnet20", 10, 3, 32);
        change(&mut spec);
        validate_spec(&spec).unwrap_err().reason
    }

    #[test]
    fn good_specifications_pass() {
        for name in architectures::architectures() {
            validate_spec(&spec(name, 10, 3, 64)).unwrap();
        }
    }

    #[test]
    fn each_bad_field_has_its_reason() {
        assert_eq!(reason(|spec| spec.architecture = "vgg".to_owned()), "UNKNOWN_ARCHITECTURE");
        assert_eq!(reason(|spec| spec.format = ModelFormat::TorchScript), "ARCHITECTURE_NOT_ALLOWED");
        assert_eq!(reason(|spec| spec.class_count = 1), "INVALID_CLASS_COUNT");
        assert_eq!(reason(|spec| spec.class_names = vec!["cat".to_owned()]), "CLASS_NAMES_MISMATCH");
        assert_eq!(reason(|spec| spec.class_names = vec!["cat".to_owned(); 10]), "DUPLICATE_CLASS_NAME");
        assert_eq!(reason(|spec| spec.preprocessing.height = 4), "IMAGE_TOO_SMALL");
        assert_eq!(reason(|spec| spec.preprocessing.channels = 0), "INVALID_IMAGE_SHAPE");
        assert_eq!(reason(|spec| spec.preprocessing.mean = vec![0.5]), "INVALID_NORMALISATION");
        assert_eq!(reason(|spec| spec.preprocessing.std = vec![1.0, 0.0, 1.0]), "INVALID_NORMALISATION");
        assert_eq!(reason(|spec| spec.preprocessing.layout = Layout::Nhwc), "UNSUPPORTED_LAYOUT");
    }

    #[test]
    fn the_unknown_architecture_error_lists_the_known_ones() {
        let error = validate_spec(&spec("vgg", 10, 3, 32)).unwrap_err();
        assert!(error.message.contains("cifar_resnet20") && error.violations[0].field == "architecture");
    }
}

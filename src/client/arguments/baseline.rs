//! What an input is compared with: `zero`, `mean`, `constant=0.5`, `blur=3`, `uniform=10`, `image=FILE`.

use std::path::PathBuf;

use crate::client::error::{Error, Result};
use crate::pb::v1::Baseline;
use crate::pb::v1::baseline::{Kind, Mean, Zero};

/// As it is written; a file is read when the request is made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BaselineArg {
    Stated(Kind),
    Image(PathBuf),
}

impl BaselineArg {
    pub(super) fn message(&self) -> Result<Baseline> {
        let kind = match self {
            Self::Stated(kind) => kind.clone(),
            Self::Image(path) => Kind::Image(std::fs::read(path).map_err(|error| Error::file("read", path, error))?),
        };
        Ok(Baseline { kind: Some(kind) })
    }
}

pub(super) fn baseline(text: &str) -> std::result::Result<BaselineArg, String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let kind = match (name, value) {
        ("zero", None) => Some(Kind::Zero(Zero {})),
        ("mean", None) => Some(Kind::Mean(Mean {})),
        ("constant", Some(value)) => value.parse().ok().map(Kind::Constant),
        ("blur", Some(value)) => value.parse().ok().map(Kind::Blur),
        ("uniform", Some(value)) => value.parse().ok().map(Kind::Uniform),
        ("image", Some(path)) if !path.is_empty() => return Ok(BaselineArg::Image(path.into())),
        _ => None,
    };
    kind.map(BaselineArg::Stated).ok_or_else(|| {
        format!("`{text}` is none of zero, mean, constant=PIXEL, blur=STD, uniform=IMAGES and image=FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_written_and_nothing_else() {
        assert_eq!(baseline("zero"), Ok(BaselineArg::Stated(Kind::Zero(Zero {}))));
        assert_eq!(baseline("mean"), Ok(BaselineArg::Stated(Kind::Mean(Mean {}))));
        assert_eq!(baseline("constant=0.5"), Ok(BaselineArg::Stated(Kind::Constant(0.5))));
        assert_eq!(baseline("blur=3"), Ok(BaselineArg::Stated(Kind::Blur(3.0))));
        assert_eq!(baseline("uniform=10"), Ok(BaselineArg::Stated(Kind::Uniform(10))));
        assert_eq!(baseline("image=a.png"), Ok(BaselineArg::Image("a.png".into())));
        for wrong in ["", "grey", "blur", "blur=x", "uniform=-1", "image="] {
            assert!(baseline(wrong).is_err(), "{wrong}");
        }
    }
}

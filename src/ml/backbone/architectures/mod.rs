//! The built-in architectures, one file a family. A new one is a file with a `build` function and lines in the table.

mod cifar_resnet;
mod small_cnn;
mod torchvision_resnet;

use super::layer::{Dimensions, Network};
use crate::domain::{Error, Result};

/// A named architecture.
#[derive(Debug)]
pub(super) struct Architecture {
    pub name: &'static str,
    /// Smallest height and width that it takes.
    pub smallest_image: u32,
    pub build: fn(Dimensions) -> Network,
}

const ARCHITECTURES: &[Architecture] = &[
    Architecture { name: "cifar_resnet20", smallest_image: 8, build: |d| cifar_resnet::build(20, d) },
    Architecture { name: "cifar_resnet32", smallest_image: 8, build: |d| cifar_resnet::build(32, d) },
    Architecture { name: "cifar_resnet44", smallest_image: 8, build: |d| cifar_resnet::build(44, d) },
    Architecture { name: "cifar_resnet56", smallest_image: 8, build: |d| cifar_resnet::build(56, d) },
    Architecture { name: "cifar_resnet110", smallest_image: 8, build: |d| cifar_resnet::build(110, d) },
    Architecture { name: "resnet18", smallest_image: 32, build: torchvision_resnet::resnet18 },
    Architecture { name: "resnet34", smallest_image: 32, build: torchvision_resnet::resnet34 },
    Architecture { name: "resnet50", smallest_image: 32, build: torchvision_resnet::resnet50 },
    Architecture { name: "small_cnn", smallest_image: 8, build: small_cnn::build },
];

/// Names of the built-in architectures.
pub fn architectures() -> Vec<&'static str> {
    ARCHITECTURES.iter().map(|architecture| architecture.name).collect()
}

pub(super) fn find(name: &str) -> Result<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| architecture.name == name).ok_or_else(|| {
        let description = format!("`{name}` is not a built-in architecture; use one of {}", architectures().join(", "));
        Error::invalid("UNKNOWN_ARCHITECTURE", "architecture", description)
    })
}

//! Images inside the file itself.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};

/// What was fetched to be shown; each part may be missing. All images are PNG.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pictures {
    /// By concept.
    pub(crate) concepts: BTreeMap<String, Vec<Vec<u8>>>,
    pub(crate) heat_maps: Vec<HeatMaps>,
}

/// Of one sample of the forget set.
#[derive(Debug, Clone)]
pub(crate) struct HeatMaps {
    pub(crate) class: String,
    pub(crate) image: Vec<u8>,
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

/// An image; nothing where it is no PNG.
pub(super) fn image(png: &[u8], description: &str) -> Markup {
    if !png.starts_with(b"\x89PNG") {
        return html! {};
    }
    let source = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png));
    html! { img src=(source) alt=(description); }
}

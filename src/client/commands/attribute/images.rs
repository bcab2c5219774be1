//! Images attributed at once: sent in calls of a bounded size, shown in the order of the command line.

use std::path::PathBuf;

use super::AttributeArgs;
use crate::client::error::{Error, Result};
use crate::client::folder::Folder;
use crate::client::names;
use crate::client::picture::Picture;
use crate::client::session::Session;
use crate::client::view::{AttributionList, AttributionView};
use crate::pb::v1::attribute_request::Input;
use crate::pb::v1::attribute_request::input::{Image, Sample};
use crate::pb::v1::{AttributeRequest, AttributeResponse, DataSource};

/// Enough to fill a device, few enough for one message.
const INPUTS_PER_CALL: usize = 32;

/// An input and what a person calls it.
#[derive(Debug)]
pub(super) struct Named {
    name: String,
    input: Input,
}

impl Named {
    fn new(name: String, image: Image, target: Option<&str>) -> Self {
        Self { name, input: Input { target_class: target.unwrap_or_default().to_owned(), image: Some(image) } }
    }
}

pub(super) fn of_files(paths: &[PathBuf], target: Option<&str>) -> Result<Vec<Named>> {
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|error| Error::file("read", path, error))?;
        Ok(Named::new(path.display().to_string(), Image::Encoded(bytes), target))
    };
    paths.iter().map(read).collect()
}

pub(super) fn of_samples(source: &DataSource, indices: &[i64], target: Option<&str>) -> Vec<Named> {
    let sample = |index: &i64| {
        let image = Image::Sample(Sample { source: Some(source.clone()), index: *index });
        Named::new(format!("{}-{index}", names::id(&source.dataset)), image, target)
    };
    indices.iter().map(sample).collect()
}

/// Shows every result; fails at the end if an input was not attributed.
pub(super) async fn run(session: &Session, args: &AttributeArgs, inputs: Vec<Named>) -> Result<()> {
    let folder = args.out.as_deref().map(Folder::new);
    let mut request = request(args, session.output.shows_pictures())?;
    let mut list = AttributionList::default();
    for (call, chunk) in inputs.chunks(INPUTS_PER_CALL).enumerate() {
        request.inputs = chunk.iter().map(|named| named.input.clone()).collect();
        let mut responses = session.attributions().attribute(request.clone()).await?.into_inner();
        while let Some(response) = responses.message().await? {
            let position = call * INPUTS_PER_CALL + response.index as usize;
            let named = inputs.get(position).ok_or(Error::Incomplete("the input of a result"))?;
            // A version that is promoted meanwhile does not mix with the first.
            request.model.clone_from(&response.model_version);
            list.add(view(session, folder.as_ref(), position, named, response)?);
        }
    }
    session.output.show(&list)?;
    list.check_all(inputs.len())
}

fn request(args: &AttributeArgs, shows_pictures: bool) -> Result<AttributeRequest> {
    Ok(AttributeRequest {
        model: names::model(&args.model),
        inputs: Vec::new(),
        attribution: Some(args.attribution.message()?),
        heat_map: args.out.is_some() || shows_pictures,
        omit_values: !args.values,
    })
}

/// Also writes the heat map, and draws it where it can be seen.
fn view(
    session: &Session,
    folder: Option<&Folder>,
    position: usize,
    named: &Named,
    response: AttributeResponse,
) -> Result<AttributionView> {
    let heat_map = response.heat_map.clone();
    let mut view = AttributionView::of(&named.name, response);
    if heat_map.is_empty() {
        return Ok(view);
    }
    if let Some(folder) = folder {
        view.heat_map = Some(folder.write_png(&file_name(position, &named.name), &heat_map)?);
    }
    if session.output.shows_pictures() {
        view.picture = Picture::decode(&heat_map).map(|picture| picture.text());
    }
    Ok(view)
}

/// `3-dog`, whatever folder `dog.png` was in: two inputs never share a file.
fn file_name(position: usize, name: &str) -> String {
    let stem = std::path::Path::new(name).file_stem().map_or_else(|| name.into(), |stem| stem.to_string_lossy());
    format!("{position}-{stem}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_the_same_name_have_files_of_their_own() {
        assert_eq!(file_name(0, "a/dog.png"), "0-dog");
        assert_eq!(file_name(1, "b/dog.png"), "1-dog");
        assert_eq!(file_name(2, "cifar-17"), "2-cifar-17");
    }

    #[test]
    fn samples_are_named_after_dataset_and_position() {
        let source = DataSource { dataset: "datasets/cifar".into(), split: "test".into() };
        let inputs = of_samples(&source, &[4, 9], Some("deer"));
        assert_eq!(inputs.iter().map(|named| named.name.as_str()).collect::<Vec<_>>(), ["cifar-4", "cifar-9"]);
        assert_eq!(inputs[1].input.target_class, "deer");
        assert_eq!(inputs[1].input.image, Some(Image::Sample(Sample { source: Some(source), index: 9 })));
    }
}

//! `<split>/<class>/<image>` or `<class>/<image>`: folders named after classes, as torchvision's `ImageFolder`.
//!
//! Files are taken in the order of their names, so the same folder gives the same dataset. Hidden files and files that are
//! no images are passed over; images of other kinds and symbolic links are refused, because leaving them out silently
//! would change the dataset.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::domain::{Error, Result};

use super::limits::Limits;
use super::sample::{Place, RawImage, RawLabel, RawSample, Reader, Sink, Stop, chosen_splits, unreadable_file};

const BATCH: usize = 1024;
const READABLE: [&str; 3] = ["jpeg", "jpg", "png"];
const UNREADABLE: [&str; 10] = ["avif", "bmp", "gif", "heic", "jp2", "ppm", "svg", "tif", "tiff", "webp"];

#[derive(Debug)]
pub(super) struct ImageFolder {
    root: PathBuf,
    class_names: Vec<String>,
    splits: Vec<(String, Vec<ImageFile>)>,
}

#[derive(Debug)]
struct ImageFile {
    class: String,
    /// Relative to the root.
    path: PathBuf,
}

impl ImageFolder {
    /// `split`: what to call the split of a folder of classes; of a folder of splits, the only one to read.
    pub(super) fn open(root: &Path, split: Option<&str>, limits: &Limits) -> Result<Self> {
        let top = Listing::read(root, Path::new(""))?;
        if !top.images.is_empty() {
            let why = format!(
                "`{}` lies in no class folder; use <class>/<image> or <split>/<class>/<image>",
                top.images[0].display()
            );
            return Err(Error::invalid("INVALID_IMAGE_FOLDER", "uri", why));
        }
        let folders: Vec<Listing> =
            top.folders.iter().map(|folder| Listing::read(root, folder)).collect::<Result<_>>()?;
        let has_splits =
            !folders.is_empty() && folders.iter().all(|folder| folder.images.is_empty() && !folder.folders.is_empty());
        let splits = match has_splits {
            true => chosen_splits(top.folders.into_iter().map(|path| (text(&path), path)).collect(), split)?,
            false => vec![(split.unwrap_or("train").to_owned(), PathBuf::new())],
        };
        let mut found = Self { root: root.to_owned(), class_names: Vec::new(), splits: Vec::new() };
        let mut class_names = BTreeSet::new();
        for (name, folder) in splits {
            let files = class_files(root, &folder, &mut class_names, limits)?;
            found.splits.push((name, files));
        }
        found.class_names = class_names.into_iter().collect();
        Ok(found)
    }
}

impl Reader for ImageFolder {
    fn class_names(&self) -> Option<&[String]> {
        Some(&self.class_names)
    }

    fn sample_count(&self) -> u64 {
        self.splits.iter().map(|(_, files)| files.len() as u64).sum()
    }

    fn read(&self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        for (split, files) in &self.splits {
            for files in files.chunks(BATCH) {
                sink(split, files.iter().map(|file| file.sample(&self.root)).collect())?;
            }
        }
        Ok(())
    }
}

impl ImageFile {
    fn sample(&self, root: &Path) -> RawSample {
        RawSample {
            place: Place::File(text(&self.path)),
            image: RawImage::File(root.join(&self.path)),
            label: RawLabel::Name(self.class.clone()),
            columns: Vec::new(),
        }
    }
}

fn class_files(
    root: &Path,
    folder: &Path,
    class_names: &mut BTreeSet<String>,
    limits: &Limits,
) -> Result<Vec<ImageFile>> {
    let mut files = Vec::new();
    for class_folder in Listing::read(root, folder)?.folders {
        let class = text(Path::new(class_folder.file_name().unwrap_or_default()));
        let images = Listing::read(root, &class_folder)?.images;
        files.extend(images.into_iter().map(|path| ImageFile { class: class.clone(), path }));
        class_names.insert(class);
        if files.len() as u64 > limits.samples {
            return Err(Error::invalid("DATASET_TOO_LARGE", "uri", format!("more than {} images", limits.samples)));
        }
    }
    Ok(files)
}

/// What a folder holds, sorted by name; paths are relative to the root.
#[derive(Debug, Default)]
struct Listing {
    folders: Vec<PathBuf>,
    images: Vec<PathBuf>,
}

impl Listing {
    fn read(root: &Path, folder: &Path) -> Result<Self> {
        let what = if folder.as_os_str().is_empty() {
            "the folder".to_owned()
        } else {
            format!("the folder `{}`", text(folder))
        };
        let mut listing = Self::default();
        for entry in fs::read_dir(root.join(folder)).map_err(|error| unreadable_file(&what, error))? {
            let entry = entry.map_err(|error| unreadable_file(&what, error))?;
            let kind = entry.file_type().map_err(|error| unreadable_file(&what, error))?;
            listing.add(folder.join(entry.file_name()), kind)?;
        }
        listing.folders.sort();
        listing.images.sort();
        Ok(listing)
    }

    fn add(&mut self, path: PathBuf, kind: fs::FileType) -> Result<()> {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            return Ok(());
        }
        if kind.is_symlink() {
            let why = format!("`{}` is a symbolic link, which is not followed; put the file itself there", text(&path));
            return Err(Error::invalid("SYMBOLIC_LINK", "uri", why));
        }
        if kind.is_dir() {
            self.folders.push(path);
            return Ok(());
        }
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        if UNREADABLE.contains(&extension.as_str()) {
            let why = format!("`{}` is neither JPEG nor PNG; convert it", text(&path));
            return Err(Error::invalid("UNSUPPORTED_IMAGE", "uri", why));
        }
        if kind.is_file() && READABLE.contains(&extension.as_str()) {
            self.images.push(path);
        }
        Ok(())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! CSV with a header: a label column, and either one column a pixel (square grey images) or a column of image paths.
//!
//! Pixel columns are those whose names end in a number (`pixel0`, `1x1`, `px_17`, `784`). If any pixel is written with a
//! decimal point, an exponent or as NaN, all are floats in [0, 1]; else all are bytes. Paths are relative to the folder of
//! the file and may not leave it. A column `split` says which split a row belongs to. Labels are numbers or class names.
//! Two passes: the first looks at labels and notation, the second reads.

use std::path::{Path, PathBuf};

use csv::StringRecord;

use crate::domain::dataset::ImageShape;
use crate::domain::{Error, Result};

use super::classes::names_of;
use super::csv_header::{Header, ImageColumns};
use super::limits::Limits;
use super::sample::{
    Element, Place, PlainImage, RawImage, RawLabel, RawSample, Reader, Sink, Stop, unreadable, unreadable_file,
};

const BATCH_VALUES: usize = 4 << 20;
const MAX_BATCH: usize = 1024;

#[derive(Debug)]
pub(super) struct CsvFile {
    path: PathBuf,
    /// Canonical folder of the file: paths may not lead out of it.
    folder: PathBuf,
    header: Header,
    split: Option<String>,
    columns: Vec<String>,
    /// Absent when the labels are numbers.
    class_names: Option<Vec<String>>,
    element: Element,
    row_count: u64,
}

impl CsvFile {
    pub(super) fn open(
        path: &Path,
        split: Option<&str>,
        image: Option<&str>,
        label: Option<&str>,
        limits: &Limits,
    ) -> Result<Self> {
        let mut rows = reader(path)?;
        let names = rows.headers().map_err(malformed)?.clone();
        let header = Header::find(&names, image, label, limits)?;
        let folder = path.parent().unwrap_or(path);
        let mut file = Self {
            path: path.to_owned(),
            folder: folder.canonicalize().map_err(|error| unreadable_file("the folder of the file", error))?,
            columns: header.others.iter().map(|index| names[*index].to_owned()).collect(),
            header,
            split: split.map(str::to_owned),
            class_names: None,
            element: Element::U8,
            row_count: 0,
        };
        file.survey(rows, limits)?;
        Ok(file)
    }

    /// The first pass.
    fn survey(&mut self, mut rows: Rows, limits: &Limits) -> Result<()> {
        let (mut labels, mut numeric) = (std::collections::HashSet::new(), true);
        let mut row = StringRecord::new();
        while rows.read_record(&mut row).map_err(malformed)? {
            let label = row[self.header.label].trim();
            numeric &= label.parse::<i64>().is_ok();
            if labels.len() <= limits.classes && !labels.contains(label) {
                labels.insert(label.to_owned());
            }
            if let ImageColumns::Pixels { indices, .. } = &self.header.image
                && self.element == Element::U8
                && indices.iter().any(|index| is_float(&row[*index]))
            {
                self.element = Element::F32;
            }
            self.row_count += 1;
            if self.row_count > limits.samples {
                return Err(Error::invalid("DATASET_TOO_LARGE", "uri", format!("more than {} rows", limits.samples)));
            }
        }
        self.class_names = (!numeric).then(|| names_of(labels.into_iter().collect()));
        Ok(())
    }

    fn split_of<'a>(&'a self, row: &'a StringRecord) -> &'a str {
        let own = self.header.split.map(|index| row[index].trim());
        own.or(self.split.as_deref()).unwrap_or("train")
    }

    fn sample(&self, row: &StringRecord, number: u64) -> Result<RawSample> {
        let place = Place::Row { file: None, row: number };
        let label = row[self.header.label].trim();
        let label = match &self.class_names {
            Some(_) => RawLabel::Name(label.to_owned()),
            None => RawLabel::Index(label.parse().map_err(|_| unreadable("the file", "it changed while it was read"))?),
        };
        let image = match &self.header.image {
            ImageColumns::Path(index) => RawImage::File(self.image_path(&row[*index], &place)?),
            ImageColumns::Pixels { indices, side } => RawImage::Plain(self.pixels(row, indices, *side, &place)?),
        };
        let columns = self.header.others.iter().map(|index| row[*index].to_owned()).collect();
        Ok(RawSample { place, image, label, columns })
    }

    fn image_path(&self, written: &str, place: &Place) -> Result<PathBuf> {
        let path = self.folder.join(written).canonicalize().ok();
        // The same words for a file outside and for none at all: nobody learns what exists elsewhere.
        path.filter(|path| path.starts_with(&self.folder)).ok_or_else(|| {
            let shown: String = written.chars().take(200).collect();
            let why = format!("{place} names the image `{shown}`, which is not in the folder of the CSV file");
            Error::invalid("IMAGE_NOT_FOUND", "", why)
        })
    }

    fn pixels(&self, row: &StringRecord, indices: &[usize], side: u32, place: &Place) -> Result<PlainImage> {
        let mut bytes = Vec::with_capacity(indices.len() * self.element.byte_count());
        for index in indices {
            let written = row[*index].trim();
            match self.element {
                Element::U8 => bytes.push(
                    written.parse().map_err(|_| not_a_pixel(place, *index, written, "a whole number from 0 to 255"))?,
                ),
                Element::F32 | Element::F64 => {
                    let value: f32 = written.parse().map_err(|_| not_a_pixel(place, *index, written, "a number"))?;
                    bytes.extend(value.to_le_bytes());
                }
            }
        }
        let shape = ImageShape { height: side, width: side, channels: 1 };
        Ok(PlainImage { bytes, element: self.element, shape, planar: false })
    }

    fn batch_size(&self) -> usize {
        match &self.header.image {
            ImageColumns::Path(_) => MAX_BATCH,
            ImageColumns::Pixels { indices, .. } => (BATCH_VALUES / indices.len().max(1)).clamp(1, MAX_BATCH),
        }
    }
}

impl Reader for CsvFile {
    fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn sample_count(&self) -> u64 {
        self.row_count
    }

    /// With a `split` column, neighbouring rows of one split travel together.
    fn read(&self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut rows = reader(&self.path)?;
        let (mut row, mut number) = (StringRecord::new(), 0);
        let (mut split, mut batch) = (String::new(), Vec::new());
        while rows.read_record(&mut row).map_err(malformed)? {
            let own = self.split_of(&row);
            if (own != split || batch.len() == self.batch_size()) && !batch.is_empty() {
                sink(&split, std::mem::take(&mut batch))?;
            }
            if self.header.split.is_none() || self.split.as_deref().is_none_or(|asked| asked == own) {
                own.clone_into(&mut split);
                batch.push(self.sample(&row, number)?);
            }
            number += 1;
        }
        if batch.is_empty() { Ok(()) } else { sink(&split, batch) }
    }
}

type Rows = csv::Reader<std::fs::File>;

fn reader(path: &Path) -> Result<Rows> {
    let file = std::fs::File::open(path).map_err(|error| unreadable_file("the file", error))?;
    Ok(csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_reader(file))
}

fn is_float(written: &str) -> bool {
    written.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E' | b'n' | b'N'))
}

fn not_a_pixel(place: &Place, column: usize, written: &str, wanted: &str) -> Error {
    let shown: String = written.chars().take(40).collect();
    Error::invalid("PIXEL_OUT_OF_RANGE", "", format!("{place}, column {column}: `{shown}` is not {wanted}"))
}

fn malformed(error: csv::Error) -> Error {
    unreadable("the CSV file", &error).with_source(error)
}

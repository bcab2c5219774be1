//! The header of a `.npy` array (numpy.lib.format, versions 1 to 3), read with our own few lines: a general parser of Python
//! literals can be made to overflow the stack by nested brackets.

use std::io::Read;

use super::tensor_files::Kind;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
const MAX_HEADER_BYTES: usize = 64 << 10;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct NpyHeader {
    pub(super) kind: Kind,
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
}

/// The header and its size in bytes; the reader then stands at the data.
pub(super) fn read_header(reader: &mut dyn Read) -> Result<(NpyHeader, u64), String> {
    let mut start = [0; 8];
    read(reader, &mut start)?;
    if start[..6] != *MAGIC {
        return Err("it is not a NumPy array".to_owned());
    }
    let length_size = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(format!("version {version} of the .npy format is not supported")),
    };
    let mut length = [0; 4];
    read(reader, &mut length[..length_size])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER_BYTES {
        return Err("its header is too long".to_owned());
    }
    let mut text = vec![0; length];
    read(reader, &mut text)?;
    let text = String::from_utf8(text).map_err(|_| "its header is not text".to_owned())?;
    Ok((parse(&text)?, (start.len() + length_size + length) as u64))
}

fn read(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<(), String> {
    reader.read_exact(buffer).map_err(|error| error.to_string())
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse(text: &str) -> Result<NpyHeader, String> {
    if value(text, "fortran_order")?.starts_with("True") {
        return Err("it is in Fortran order; store numpy.ascontiguousarray(it)".to_owned());
    }
    let dtype = quoted(value(text, "descr")?);
    Ok(NpyHeader {
        kind: dtype.map_or(Ok(Kind::Other), kind)?,
        dtype: dtype.unwrap_or("a structure").to_owned(),
        shape: shape(value(text, "shape")?)?,
    })
}

/// The text after `'key':`.
fn value<'a>(text: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, rest) = text.split_once(&format!("'{key}'")).ok_or_else(|| format!("its header has no `{key}`"))?;
    rest.trim_start().strip_prefix(':').map(str::trim_start).ok_or_else(|| "its header is malformed".to_owned())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split_once('\'').map(|(inside, _)| inside)
}

fn kind(dtype: &str) -> Result<Kind, String> {
    Ok(match dtype {
        "|u1" | "<u1" => Kind::Unsigned(1),
        "<u2" => Kind::Unsigned(2),
        "<u4" => Kind::Unsigned(4),
        "<u8" => Kind::Unsigned(8),
        "|i1" | "<i1" => Kind::Signed(1),
        "<i2" => Kind::Signed(2),
        "<i4" => Kind::Signed(4),
        "<i8" => Kind::Signed(8),
        "<f4" => Kind::Float(4),
        "<f8" => Kind::Float(8),
        _ if dtype.starts_with('>') => return Err("it is big-endian; store it little-endian".to_owned()),
        _ => Kind::Other,
    })
}

fn shape(text: &str) -> Result<Vec<u64>, String> {
    let inside = text.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or("its shape is malformed")?.0;
    let axes = inside.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    axes.map(|axis| axis.trim_end_matches('L').parse().map_err(|_| "its shape is malformed".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn array(header: &str) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC.as_slice(), &[1, 0], &length, header.as_bytes()].concat()
    }

    #[test]
    fn headers_that_numpy_writes_are_read() {
        let bytes = array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n");
        let (header, size) = read_header(&mut bytes.as_slice()).unwrap();
        assert_eq!(header, NpyHeader { kind: Kind::Float(4), dtype: "<f4".into(), shape: vec![2, 3] });
        assert_eq!(size, bytes.len() as u64);
        assert_eq!(parse("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }").unwrap().shape, [5]);
        assert_eq!(parse("{'descr': '|u1', 'fortran_order': False, 'shape': (), }").unwrap().shape, [] as [u64; 0]);
    }

    #[test]
    fn hostile_headers_are_errors() {
        for header in ["", "{", "{'descr'", "{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}"] {
            assert!(parse(header).is_err(), "{header}");
        }
        for shape in ["(-1,)", "(1e9,)", "(99999999999999999999,)", "((((", "1"] {
            assert!(
                parse(&format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}")).is_err(),
                "{shape}"
            );
        }
        assert!(parse("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}").unwrap_err().contains("big-endian"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read_header(&mut [MAGIC.as_slice(), &tail].concat().as_slice());
        }
    }
}

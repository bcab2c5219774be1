//! A look into a TorchScript file before libtorch opens it: a zip with code, whose tensors are stored as they are.
//! Everything else is refused: pickles, other zips, and zips that unpack to much more than they are.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::domain::{Error, Result};

/// Checks the file and returns the SHA-256 of the code in it, in hexadecimal.
pub(super) fn inspect(bytes: &[u8]) -> Result<String> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return Err(refuse(if bytes.starts_with(&[0x80]) { PICKLE } else { NOT_A_SCRIPT }));
    }
    let records = records(bytes).ok_or_else(|| refuse(DAMAGED))?;
    let unpacked = records.iter().fold(0_u64, |sum, record| sum.saturating_add(record.size));
    if unpacked > bytes.len() as u64 + LARGEST_CODE {
        return Err(refuse(
            "the file unpacks to much more than its size; a TorchScript file stores its tensors as they are",
        ));
    }
    // Records that lie over each other would be hashed once each: a small file with many could keep us busy for days.
    let packed = records.iter().fold(0_u64, |sum, record| sum.saturating_add(record.packed_size));
    if packed > bytes.len() as u64 {
        return Err(refuse(DAMAGED));
    }
    let code: Vec<_> = records.iter().filter(|record| is_code(record.name)).collect();
    if code.is_empty() {
        return Err(refuse(PICKLE));
    }
    hash(bytes, &code).ok_or_else(|| refuse(DAMAGED))
}

const PICKLE: &str = "this is a pickle (torch.save), which is never read because it can run any code; export the model with \
                      torch.jit.script(model).save(..), or its state_dict with safetensors.torch.save_file";

const NOT_A_SCRIPT: &str = "this is not a TorchScript file; export the model with torch.jit.script(model).save(..)";

const DAMAGED: &str =
    "the file is truncated or damaged; copy it again, or export the model anew with torch.jit.script(model).save(..)";

/// PyTorch compresses the code; this much may come out of it.
const LARGEST_CODE: u64 = 64 << 20;

fn refuse(description: &str) -> Error {
    Error::invalid("MALFORMED_MODEL", "uri", description)
}

struct Record<'a> {
    name: &'a [u8],
    size: u64,
    packed_size: u64,
    /// Where its local header starts.
    offset: u64,
}

/// `archive/code/__torch__.py` and the like, without the debug tables beside them.
fn is_code(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name);
    name.split('/').nth(1) == Some("code") && name.ends_with(".py")
}

fn hash(bytes: &[u8], code: &[&Record]) -> Option<String> {
    let mut digest = Sha256::new();
    for record in code {
        digest.update((record.name.len() as u64).to_le_bytes());
        digest.update(record.name);
        digest.update(record.packed_size.to_le_bytes());
        digest.update(content(bytes, record)?);
    }
    Some(hexadecimal(&digest.finalize()))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// As it lies in the file, compressed or not.
fn content<'a>(bytes: &'a [u8], record: &Record) -> Option<&'a [u8]> {
    const LOCAL_HEADER: usize = 30;
    let header = bytes.get(usize::try_from(record.offset).ok()?..)?;
    let start = LOCAL_HEADER + usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
    header.get(start..start.checked_add(usize::try_from(record.packed_size).ok()?)?)
}

/// The central directory (APPNOTE 4.3.12), zip64 included; nothing where it is inconsistent.
fn records(bytes: &[u8]) -> Option<Vec<Record<'_>>> {
    const FIXED: usize = 46;
    let (mut position, count) = directory(bytes)?;
    let mut records = Vec::new();
    for _ in 0..count {
        let entry = bytes.get(position..)?;
        if !entry.starts_with(b"PK\x01\x02") {
            return None;
        }
        let lengths = [28, 30, 32].map(|at| u16_at(entry, at).map(usize::from));
        let [Some(name), Some(extra), Some(comment)] = lengths else { return None };
        let mut record = Record {
            name: entry.get(FIXED..FIXED + name)?,
            size: u32_at(entry, 24)?.into(),
            packed_size: u32_at(entry, 20)?.into(),
            offset: u32_at(entry, 42)?.into(),
        };
        record.widen(entry.get(FIXED + name..FIXED + name + extra)?)?;
        records.push(record);
        position += FIXED + name + extra + comment;
    }
    Some(records)
}

/// Where the central directory starts and how many entries it has.
fn directory(bytes: &[u8]) -> Option<(usize, u64)> {
    const LARGEST_COMMENT: usize = 1 << 16;
    let tail = bytes.len().saturating_sub(LARGEST_COMMENT + 22);
    let end = tail + bytes.get(tail..)?.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let (count, offset) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 16)?);
    let locator = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(b"PK\x06\x07"));
    let (offset, count) = match locator {
        Some(locator) => {
            let end64 = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
            (u64_at(bytes, end64.checked_add(48)?)?, u64_at(bytes, end64.checked_add(32)?)?)
        }
        None => (offset.into(), count.into()),
    };
    let offset = usize::try_from(offset).ok()?;
    (offset < bytes.len() && count <= bytes.len() as u64).then_some((offset, count))
}

impl Record<'_> {
    /// Takes the 64-bit values of the zip64 extra field for those that do not fit in 32 bits.
    fn widen(&mut self, mut extra: &[u8]) -> Option<()> {
        const ZIP64: u16 = 1;
        while extra.len() >= 4 {
            let (tag, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let mut values = extra.get(4..4 + length)?;
            if tag == ZIP64 {
                for value in [&mut self.size, &mut self.packed_size, &mut self.offset] {
                    if *value == u64::from(u32::MAX) {
                        *value = u64_at(values, 0)?;
                        values = &values[8..];
                    }
                }
            }
            extra = &extra[4 + length..];
        }
        Some(())
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory entry of `packed` bytes at the front of the file.
    fn entry(name: &str, packed: u32) -> Vec<u8> {
        let mut entry = vec![0; 46];
        entry[..4].copy_from_slice(b"PK\x01\x02");
        entry[20..24].copy_from_slice(&packed.to_le_bytes());
        entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
        entry.extend_from_slice(name.as_bytes());
        entry
    }

    fn file(entries: u16, packed: u32) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(4096, 0);
        let directory = bytes.len() as u32;
        (0..entries).for_each(|_| bytes.extend(entry("a/code/a.py", packed)));
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([entries.to_le_bytes(), entries.to_le_bytes()].concat());
        bytes.extend([0; 4]);
        bytes.extend(directory.to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }

    #[test]
    fn records_that_lie_over_each_other_are_refused_before_they_are_hashed() {
        assert!(inspect(&file(2, 1000)).is_ok());
        let error = inspect(&file(9, 1000)).unwrap_err();
        assert_eq!(error.reason, "MALFORMED_MODEL");
    }
}

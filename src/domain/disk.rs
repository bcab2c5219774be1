//! What the disk of the data directory refuses, in one place for every layer that writes there.

use std::io;

use super::{Error, ErrorKind};

/// An input or output error of the daemon's own files: the path stays in the log's source, not in the message.
pub fn io_failed(what: &str, error: io::Error) -> Error {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let told = |kind, reason, why: &str| Error::new(kind, reason, format!("failed to {what}: {why}"));
    let known = if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
        let why = "no space is left in the data directory; free some and try again";
        told(ErrorKind::ResourceExhausted, "STORAGE_FULL", why)
    } else if matches!(error.kind(), ReadOnlyFilesystem | PermissionDenied) {
        let why = "the data directory cannot be written; see its file system and its permissions";
        told(ErrorKind::Unavailable, "STORAGE_READ_ONLY", why)
    } else {
        Error::internal(format!("failed to {what} of the data directory"))
    };
    known.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_cannot_take_more_is_told_from_one_that_cannot_be_written() {
        let failed = |kind: io::ErrorKind| {
            let error = io_failed("save a checkpoint", kind.into());
            (error.kind, error.reason)
        };
        assert_eq!(failed(io::ErrorKind::StorageFull), (ErrorKind::ResourceExhausted, "STORAGE_FULL"));
        assert_eq!(failed(io::ErrorKind::FileTooLarge), (ErrorKind::ResourceExhausted, "STORAGE_FULL"));
        assert_eq!(failed(io::ErrorKind::ReadOnlyFilesystem), (ErrorKind::Unavailable, "STORAGE_READ_ONLY"));
        assert_eq!(failed(io::ErrorKind::PermissionDenied), (ErrorKind::Unavailable, "STORAGE_READ_ONLY"));
        assert_eq!(failed(io::ErrorKind::UnexpectedEof), (ErrorKind::Internal, "INTERNAL"));
    }
}

//! Reads the headers of Parquet files in a process of its own, before the daemon reads the files.
//!
//! The Parquet crate passes over collections of Booleans that it does not know one by one, without consuming a byte
//! (apache/arrow-rs issue 9874): a header of 2 KB can ask for hours, and a thread cannot be stopped. A process can:
//! it has a limit on its processor time. What else is wrong with a file is told by the reading that follows.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};

use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic::io_failed;

use super::limits::Limits;
use super::parquet_files::is_parquet;
use super::sample::unreadable;

/// Processor time for all headers of a dataset; a page takes some microseconds.
const SECONDS: u64 = 10;
/// More for every file of a folder.
const FILES_A_SECOND: u64 = 50;
/// Tells the daemon's program to be such a process; the path follows.
const ARGUMENT: &str = "--read-parquet-headers";

/// Whether the headers of a file, or of the files of a folder, can be read in reasonable time.
///
/// # Errors
/// `UNREADABLE_DATASET`; `DAEMON_STOPPING`; what the system says where no process can be started.
pub(super) fn check(path: &Path, limits: &Limits) -> Result<()> {
    let Some(program) = &limits.header_reader else { return Ok(()) };
    let mut command = Command::new(program);
    command.arg(ARGUMENT).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.status().map_err(|error| io_failed("start a process that reads Parquet headers", error))?;
    if ended.success() { Ok(()) } else { Err(refusal(ended)) }
}

fn refusal(ended: ExitStatus) -> Error {
    let is = |signals: &[Signal]| signals.iter().any(|signal| ended.signal() == Some(signal.as_raw()));
    if is(&[Signal::TERM, Signal::INT, Signal::HUP]) {
        // Whoever stops a service stops all of its processes.
        let message = "the Parquet file was not read, since the daemon is stopping; try again when it is back";
        return Error::new(ErrorKind::Unavailable, "DAEMON_STOPPING", message);
    }
    let why = match is(&[Signal::XCPU]) {
        true => format!(
            "its headers claim more than {SECONDS} s of work; it is damaged or made to hold up its readers: write it anew"
        ),
        false => "it is damaged".to_owned(),
    };
    unreadable("the Parquet file", why)
}

/// Reads all headers below `path` within the limit of time, or a lower one that is set already, in a process that does nothing else.
///
/// # Errors
/// Where the limit cannot be set.
pub fn read_headers(path: &Path) -> std::io::Result<()> {
    let files: Vec<_> = match path.is_dir() {
        true => std::fs::read_dir(path)?.flatten().map(|entry| entry.path()).filter(|path| is_parquet(path)).collect(),
        false => vec![path.to_owned()],
    };
    // Nobody waits for it any more when the daemon is gone.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let seconds = SECONDS + files.len() as u64 / FILES_A_SECOND;
    let seconds = getrlimit(Resource::Cpu).current.map_or(seconds, |set| set.min(seconds));
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds + 1) })?;
    for file in files {
        // An unreadable file is told of by the daemon, with the row or the column.
        let _ = read_file(&file);
    }
    Ok(())
}

fn read_file(path: &Path) -> ParquetResult<()> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        for column in 0..group.num_columns() {
            // The daemon may want another column than a bad one.
            let _ = read_pages(&*group, column);
        }
    }
    Ok(())
}

fn read_pages(group: &dyn RowGroupReader, column: usize) -> ParquetResult<()> {
    let mut pages = group.get_column_page_reader(column)?;
    while pages.peek_next_page()?.is_some() {
        pages.skip_next_page()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(signal: Option<Signal>) -> Error {
        refusal(ExitStatus::from_raw(signal.map_or(1 << 8, Signal::as_raw)))
    }

    #[test]
    fn a_file_is_blamed_for_what_it_did_alone() {
        assert_eq!(told(Some(Signal::TERM)).reason, "DAEMON_STOPPING");
        assert!(told(Some(Signal::XCPU)).message.contains("write it anew"));
        for other in [Some(Signal::SEGV), Some(Signal::KILL), None] {
            let error = told(other);
            assert_eq!(error.reason, "UNREADABLE_DATASET");
            assert!(error.message.contains("is damaged"));
        }
    }
}

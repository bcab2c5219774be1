//! One line for each call that changes something, written when the call ends: who, from where, what, on what, and how it went. Refused
//! calls have one too, except those that came too fast, by which anyone could fill the disk.
//!
//! The lines go to the log (target `audit`) and, if there is one, to a file of JSON lines. The file is opened for appending, for its
//! owner's eyes only, and opened again on SIGHUP, so that it can be rotated. A line is written by one call, so lines do not mix.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use tonic::Code;

use crate::domain::access::Principal;
use crate::rpc::last_frame::Follower;

const OWNER_ONLY: u32 = 0o600;

/// Where the lines go; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditLog(Option<Arc<LogFile>>);

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl AuditLog {
    /// Without a path the lines go to the log alone.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = Mutex::new(appending(path)?);
        Ok(Self(Some(Arc::new(LogFile { path: path.to_owned(), file }))))
    }

    /// Follows a rotation. If the file cannot be opened, the old one is kept.
    pub(crate) fn open_again(&self) {
        let Some(log) = &self.0 else { return };
        match appending(&log.path) {
            Ok(file) => *log.file.lock().unwrap_or_else(PoisonError::into_inner) = file,
            Err(error) => tracing::error!(path = %log.path.display(), %error, "failed to open the audit file again"),
        }
    }

    /// The beginning of a line; it is written when the entry is dropped.
    pub(super) fn entry(&self, by: &Principal, peer: Option<SocketAddr>, method: &str, request_id: String) -> Entry {
        Entry {
            log: self.clone(),
            principal: by.name.clone(),
            peer,
            method: method.trim_start_matches('/').to_owned(),
            request_id,
            note: AuditNote::default(),
            started: Instant::now(),
            code: None,
        }
    }

    fn write(&self, line: &Line<'_>) {
        let Some(log) = &self.0 else { return };
        let mut text = serde_json::to_vec(line).expect("a line holds only strings and numbers");
        text.push(b'\n');
        let written = log.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
        if let Err(error) = written {
            tracing::error!(path = %log.path.display(), %error, "failed to write the audit file");
        }
    }
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(OWNER_ONLY).open(path)
}

/// Where a service says what its call is about; travels in the request's extensions.
#[derive(Debug, Clone, Default)]
pub(in crate::rpc) struct AuditNote(Arc<Mutex<Named>>);

#[derive(Debug, Clone, Default)]
struct Named {
    resource: Option<String>,
    result: Option<String>,
}

impl AuditNote {
    /// What the request names.
    pub(in crate::rpc) fn about(&self, resource: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).resource = resource.map(clipped);
    }

    /// What the answer names: a new job, model or dataset.
    pub(in crate::rpc) fn made(&self, result: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).result = result;
    }

    fn named(&self) -> Named {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Names come from callers, who may send anything.
fn clipped(name: String) -> String {
    const MOST_CHARACTERS: usize = 200;
    name.chars().take(MOST_CHARACTERS).collect()
}

/// One call on its way to a line. A call whose client left before the end is CANCELLED.
#[derive(Debug)]
pub(super) struct Entry {
    log: AuditLog,
    principal: Arc<str>,
    peer: Option<SocketAddr>,
    method: String,
    request_id: String,
    note: AuditNote,
    started: Instant,
    code: Option<Code>,
}

impl Entry {
    pub(super) fn note(&self) -> AuditNote {
        self.note.clone()
    }
}

impl Follower for Entry {
    fn code(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Named { resource, result } = self.note.named();
        let line = Line {
            time: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            principal: &self.principal,
            peer: self.peer.map(|peer| peer.to_string()),
            method: &self.method,
            resource: resource.as_deref(),
            result: result.as_deref(),
            request_id: &self.request_id,
            code: word(self.code.unwrap_or(Code::Cancelled)),
            latency_ms: self.started.elapsed().as_millis(),
        };
        tracing::info!(
            target: "audit",
            principal = line.principal,
            peer = line.peer,
            method = line.method,
            resource = line.resource,
            result = line.result,
            request_id = line.request_id,
            code = line.code,
            "call"
        );
        self.log.write(&line);
    }
}

/// What the file says of one call.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time: String,
    principal: &'a str,
    peer: Option<String>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    request_id: &'a str,
    code: &'static str,
    latency_ms: u128,
}

/// The code's name in google.rpc.
fn word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tonic::Status;

    use super::*;
    use crate::domain::access::Scopes;
    use crate::rpc::last_frame::follow;

    fn lines(path: &Path) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_says_who_did_what_to_what() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(Some(&path)).unwrap();
        let principal = Principal::token("ci", Scopes::all());
        let entry = log.entry(&principal, Some("10.0.0.1:5".parse().unwrap()), "/a.B/Unlearn", "r-1".to_owned());
        let note = entry.note();
        note.about(Some("models/m".to_owned()));
        note.made(Some("jobs/j".to_owned()));
        drop(follow(Status::not_found("x").into_http(), entry));
        drop(log.entry(&principal, None, "/a.B/C", "r-2".to_owned()));
        let lines = lines(&path);
        let said = |key: &str| lines[0][key].as_str().unwrap().to_owned();
        assert_eq!(
            (said("principal"), said("peer"), said("method")),
            ("tokens/ci".into(), "10.0.0.1:5".into(), "a.B/Unlearn".into())
        );
        assert_eq!(
            (said("resource"), said("result"), said("request_id")),
            ("models/m".into(), "jobs/j".into(), "r-1".into())
        );
        assert_eq!(said("code"), "NOT_FOUND");
        assert_eq!(lines[1]["code"], "CANCELLED", "a call that was dropped");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
    }

    #[test]
    fn a_rotated_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = AuditLog::open(Some(&path)).unwrap();
        std::fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
        log.open_again();
        drop(log.entry(&Principal::anonymous(Scopes::all()), None, "/a.B/C", "r".to_owned()));
        assert_eq!(lines(&path).len(), 1);
    }
}

//! What to do next, for errors where that is known.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Error, tls};

pub(super) fn for_error(error: &Error) -> Option<String> {
    match error {
        Error::Connect { server, source } => Some(tls::hint(source).map_or_else(
            || {
                format!(
                    "is unlearnd running? start it with `unlearnd`, or name another address with --server or UNLEARND_SERVER (now {server})"
                )
            },
            str::to_owned,
        )),
        Error::Call(status) => for_status(status).map(str::to_owned),
        Error::Job { job, .. } => Some(format!("its events: unlearnctl job watch {job}")),
        Error::NotForgotten { .. } => {
            Some("train longer, at a higher rate or deeper; the new version is published and not served unless you asked for it".to_owned())
        }
        Error::Interrupted { job } => {
            Some(format!("watch it: unlearnctl job watch {job}\ncancel it: unlearnctl job cancel {job}"))
        }
        Error::WatchLost { job, .. } => {
            Some(format!("the job may still be running; once unlearnd is back: unlearnctl job watch {job}"))
        }
        Error::Incomplete(_) => Some("client and daemon may differ in version: unlearnctl info".to_owned()),
        Error::Unattributed { .. } => Some("each one's reason stands beside it in the result".to_owned()),
        Error::Usage(_) | Error::File { .. } => None,
    }
}

fn for_status(status: &Status) -> Option<&'static str> {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    match reason.as_str() {
        "MISSING_CREDENTIALS" => {
            Some("name a token with --token-file or in UNLEARND_TOKEN, or a certificate with --cert and --key")
        }
        "SCOPE_REQUIRED" => Some("the operator of unlearnd grants scopes, in its tokens file or to certificates"),
        "RATE_LIMITED" => None,
        "URI_NOT_FOUND" => Some("the path is one of the daemon's machine; `dataset upload` sends a dataset from here"),
        "JOB_STATE" | "JOB_NOT_FINISHED" | "MODEL_BUSY" | "MODEL_IN_USE" | "RESOURCE_IN_USE" | "VERSION_SERVED" => {
            Some("change the state that stands in the way, then try again")
        }
        _ => tls::hint(status).or_else(|| for_code(status.code())),
    }
}

fn for_code(code: Code) -> Option<&'static str> {
    match code {
        Code::NotFound => Some("see what there is: unlearnctl model list, dataset list, concepts list, job list"),
        Code::AlreadyExists => Some("choose another name, or delete the present one first"),
        Code::Aborted => Some("it changed meanwhile: look at it again, then repeat"),
        Code::ResourceExhausted => {
            Some("wait for running jobs (unlearnctl job list) or unload a model (unlearnctl device list)")
        }
        Code::Unavailable => Some("unlearnd is starting, stopping or unreachable: try again shortly"),
        Code::Unimplemented => Some("the daemon does not know this call; compare versions with unlearnctl info"),
        Code::Internal | Code::Unknown | Code::DataLoss => Some("the daemon's log says more"),
        Code::Unauthenticated => {
            Some("the operator of unlearnd hands out tokens (unlearnctl token new) and grants certificates")
        }
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::DeadlineExceeded
        | Code::PermissionDenied
        | Code::OutOfRange => None,
    }
}

//! What every refusal must say.

use tonic::{Code, Status};
use tonic_types::StatusExt;
use unlearnd::pb::v1 as pb;

use super::shapes::Shapes;

/// The refusal has this code, reason and field, says something about it, and shows no path of the server.
#[track_caller]
pub(crate) fn refused(status: &Status, code: Code, reason: &str, field: &str, says: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    let info = status.get_details_error_info().expect("every error carries ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "unlearnd"), "{}", status.message());
    let fields = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    assert!(fields.iter().any(|violation| violation.field == field), "{field} is not in {fields:?}");
    assert!(status.message().contains(says), "`{says}` is not in: {}", status.message());
    let folder = std::env::temp_dir();
    assert!(!status.message().contains(&*folder.to_string_lossy()), "a path of the server in: {}", status.message());
}

pub(crate) async fn still_serves(shapes: &Shapes) {
    shapes.daemon.system().get_server_info(pb::GetServerInfoRequest {}).await.expect("the daemon is unharmed");
}

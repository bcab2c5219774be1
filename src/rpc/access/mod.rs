//! Who may call what.
//!
//! ```text
//! credentials ─► policy (tokens, certificates) ─► principal ─► scope of the method ─► service
//!                     │                               │             └─ PERMISSION_DENIED
//!                     └─ UNAUTHENTICATED              └─ rate ─ RESOURCE_EXHAUSTED
//! ```
//!
//! Without a tokens file and without granted certificates there is no authentication: every caller may do everything. With either, nothing
//! is allowed that was not granted. The policy is read again when its file changes; each call is judged by the policy of its moment.
//! Every call that changes something leaves a line in the audit log when it ends, also where it was refused.

mod audit;
mod certificates;
mod layer;
mod policy;
mod rate;
mod resource;
mod scopes;
mod tokens;

pub(crate) use audit::AuditLog;
pub(super) use audit::AuditNote;
pub(crate) use certificates::CertificateNames;
pub(super) use layer::AccessLayer;
pub(crate) use policy::Policy;
pub(super) use rate::Rate;
pub(super) use resource::{made, named};

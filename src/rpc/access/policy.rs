//! What is granted to whom, and the decision about one caller.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::certificates::CertificateNames;
use super::scopes::scope_of;
use super::tokens::{self, Entry, Token};
use crate::config::{Access, CertificateGrant};
use crate::domain::access::{Principal, Scope, Scopes};
use crate::domain::{Error, ErrorKind, Result};

/// Every grant in force. Immutable: a changed file makes a new one.
#[derive(Debug)]
pub(crate) struct Policy {
    enforced: bool,
    tokens: Vec<Token>,
    certificates: Vec<CertificateGrant>,
    anonymous: Scopes,
}

/// The tokens file. Certificates that stand there, and not in the configuration, can change without a restart.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    tokens: Vec<Entry>,
    #[serde(default)]
    certificates: Vec<CertificateGrant>,
}

impl Policy {
    /// From the configuration and the text of its tokens file, if it has one. The error says what is wrong with the file.
    pub(crate) fn new(access: &Access, tokens_file: Option<&str>) -> Result<Self, String> {
        let file: TokensFile = match tokens_file {
            // The parser's own text would quote the line, and with it the hash.
            Some(text) => {
                toml::from_str(text).map_err(|error| format!("{} {}", error.message(), line_of(&error, text)))?
            }
            None => TokensFile::default(),
        };
        let tokens = file.tokens.into_iter().map(Token::try_from).collect::<Result<Vec<_>, _>>()?;
        tokens::check_distinct(&tokens)?;
        if let Some(problem) = file.certificates.iter().find_map(CertificateGrant::problem) {
            return Err(format!("certificates: {problem}"));
        }
        Ok(Self {
            enforced: access.is_on(),
            tokens,
            certificates: access.certificates.iter().cloned().chain(file.certificates).collect(),
            anonymous: access.anonymous_scopes.iter().copied().collect(),
        })
    }

    /// Who calls. Credentials that are wrong are refused even where none are needed: whoever sends them believes to be somebody.
    pub(super) fn identify(&self, presented: &Presented<'_>, now: DateTime<Utc>) -> Result<Identity> {
        if !self.enforced {
            return Ok(Identity::Granted(presented.principal(Scopes::all())));
        }
        match presented.authorization {
            Authorization::Bearer(token) => self.token_bearer(token, now).map(Identity::Granted),
            Authorization::Unreadable => Err(invalid_token("the authorization header must be `Bearer TOKEN`")),
            Authorization::Absent => {
                let granted = presented.certificate.and_then(|names| names.principal(&self.certificates));
                let unknown = || Identity::Unknown(presented.principal(self.anonymous));
                Ok(granted.map_or_else(unknown, Identity::Granted))
            }
        }
    }

    /// Whether the caller may make this call.
    pub(super) fn check(&self, identity: &Identity, path: &str) -> Result<(), Refusal> {
        if !self.enforced {
            return Ok(());
        }
        let scope = scope_of(path);
        match (scope, identity) {
            (Some(scope), identity) if identity.principal().scopes.contains(scope) => Ok(()),
            (Some(scope), Identity::Granted(principal)) => Err(Refusal::scope(principal, scope)),
            (None, Identity::Granted(_)) => Err(Refusal::unknown_method(path)),
            (_, Identity::Unknown(principal)) => Err(Refusal::stranger(principal)),
        }
    }

    fn token_bearer(&self, presented: &str, now: DateTime<Utc>) -> Result<Principal> {
        let token =
            tokens::find(&self.tokens, presented).ok_or_else(|| invalid_token("the token is not known here"))?;
        if token.is_expired(now) {
            let message = format!("the token of {} has expired; ask the operator for a new one", token.principal);
            return Err(Error::new(ErrorKind::Unauthenticated, "EXPIRED_TOKEN", message));
        }
        Ok(token.principal.clone())
    }
}

/// A caller, and whether anything was granted to it by name.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    Granted(Principal),
    /// Has the rights of anyone.
    Unknown(Principal),
}

impl Identity {
    pub(super) fn principal(&self) -> &Principal {
        match self {
            Self::Granted(principal) | Self::Unknown(principal) => principal,
        }
    }
}

/// Why a call is not allowed, with the values that a machine may want.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: Box<Error>,
    pub(super) values: Vec<(&'static str, String)>,
}

impl Refusal {
    fn new(kind: ErrorKind, reason: &'static str, message: String) -> Self {
        Self { error: Box::new(Error::new(kind, reason, message)), values: Vec::new() }
    }

    fn scope(principal: &Principal, scope: Scope) -> Self {
        let message = format!("{principal} lacks the scope `{scope}`, which this call needs");
        let values = vec![("scope", scope.to_string()), ("principal", principal.to_string())];
        Self { values, ..Self::new(ErrorKind::PermissionDenied, "SCOPE_REQUIRED", message) }
    }

    fn stranger(principal: &Principal) -> Self {
        if principal.is_anonymous() {
            let message =
                "the daemon wants to know who calls: send `authorization: Bearer TOKEN`, or use a client certificate";
            return Self::new(ErrorKind::Unauthenticated, "MISSING_CREDENTIALS", message.to_owned());
        }
        let message = format!("nothing is granted to {principal}; have its subject added, or send a token");
        Self::new(ErrorKind::Unauthenticated, "UNKNOWN_CERTIFICATE", message)
    }

    fn unknown_method(path: &str) -> Self {
        let message = format!("there is no method `{}`", path.escape_debug());
        Self::new(ErrorKind::Unimplemented, "UNKNOWN_METHOD", message)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error: Box::new(error), values: Vec::new() }
    }
}

/// The line of a TOML error.
fn line_of(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    line.map(|line| format!("(line {line})")).unwrap_or_default()
}

fn invalid_token(message: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, "INVALID_TOKEN", message)
}

/// What a caller shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented<'a> {
    pub(super) authorization: Authorization<'a>,
    pub(super) certificate: Option<&'a CertificateNames>,
}

impl Presented<'_> {
    /// The caller's name without credentials of ours, with rights that do not depend on it.
    fn principal(&self, scopes: Scopes) -> Principal {
        self.certificate.map_or_else(|| Principal::anonymous(scopes), |names| names.with(scopes))
    }
}

/// An authorization header.
#[derive(Clone, Copy)]
pub(super) enum Authorization<'a> {
    Absent,
    Bearer(&'a str),
    Unreadable,
}

impl<'a> Authorization<'a> {
    pub(super) fn read(header: Option<&'a [u8]>) -> Self {
        let Some(bytes) = header else { return Self::Absent };
        let split = std::str::from_utf8(bytes).ok().and_then(|text| text.trim().split_once(' '));
        match split {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Self::Bearer(token.trim_start()),
            Some(_) | None => Self::Unreadable,
        }
    }
}

/// Never shows the token.
impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "Absent",
            Self::Bearer(_) => "Bearer(...)",
            Self::Unreadable => "Unreadable",
        })
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn file(token: &str, more: &str) -> String {
        let digest: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[tokens]]\nname = \"ci\"\nsha256 = \"{digest}\"\nscopes = [\"metadata\", \"job\"]\n{more}\n")
    }

    fn access() -> Access {
        Access {
            tokens_file: Some("tokens.toml".into()),
            certificates: Vec::new(),
            anonymous_scopes: vec![Scope::Health],
        }
    }

    fn judged(policy: &Policy, header: Option<&str>) -> Result<Principal> {
        let authorization = Authorization::read(header.map(str::as_bytes));
        let identity = policy.identify(&Presented { authorization, certificate: None }, Utc::now())?;
        Ok(identity.principal().clone())
    }

    /// The reason of the refusal, if the call is refused.
    fn refused(policy: &Policy, header: Option<&str>, path: &str) -> Option<&'static str> {
        let authorization = Authorization::read(header.map(str::as_bytes));
        let identity = policy.identify(&Presented { authorization, certificate: None }, Utc::now()).unwrap();
        policy.check(&identity, path).err().map(|refusal| refusal.error.reason)
    }

    #[test]
    fn without_grants_everyone_may_do_everything() {
        let policy = Policy::new(&Access::default(), None).unwrap();
        let principal = judged(&policy, Some("Bearer anything")).unwrap();
        assert_eq!((&*principal.name, principal.scopes), ("anonymous", Scopes::all()));
    }

    #[test]
    fn a_token_has_its_scopes_and_no_token_those_of_anyone() {
        let policy = Policy::new(&access(), Some(&file("unl_x", ""))).unwrap();
        let bearer = judged(&policy, Some("bearer  unl_x")).unwrap();
        assert_eq!((&*bearer.name, bearer.scopes), ("tokens/ci", Scopes::from_iter([Scope::Metadata, Scope::Job])));
        assert_eq!(judged(&policy, None).unwrap(), Principal::anonymous(Scopes::from_iter([Scope::Health])));
    }

    #[test]
    fn a_call_needs_its_scope() {
        let policy = Policy::new(&access(), Some(&file("unl_x", ""))).unwrap();
        let bearer = Some("Bearer unl_x");
        assert_eq!(refused(&policy, bearer, "/unlearnd.v1.JobService/GetJob"), None);
        assert_eq!(refused(&policy, bearer, "/unlearnd.v1.ModelService/DeleteModel"), Some("SCOPE_REQUIRED"));
        assert_eq!(refused(&policy, bearer, "/grpc.health.v1.Health/Check"), Some("SCOPE_REQUIRED"));
        assert_eq!(refused(&policy, bearer, "/unlearnd.v1.ModelService/Reset"), Some("UNKNOWN_METHOD"));
        assert_eq!(refused(&policy, None, "/grpc.health.v1.Health/Check"), None);
        for path in ["/unlearnd.v1.JobService/GetJob", "/unlearnd.v1.ModelService/Reset"] {
            assert_eq!(refused(&policy, None, path), Some("MISSING_CREDENTIALS"), "{path}");
        }
    }

    #[test]
    fn wrong_credentials_are_refused_by_what_is_wrong() {
        let policy = Policy::new(&access(), Some(&file("unl_x", "expires = 2020-01-01"))).unwrap();
        let reason = |header| judged(&policy, Some(header)).unwrap_err().reason;
        assert_eq!(reason("Bearer unl_x"), "EXPIRED_TOKEN");
        for header in ["Bearer unl_y", "Bearer", "Basic unl_x", "unl_x", "", "Bearer "] {
            assert_eq!(reason(header), "INVALID_TOKEN", "{header}");
        }
    }

    #[test]
    fn a_broken_file_is_told_without_what_stands_in_it() {
        let text = file("unl_x", "colour = 1");
        let problem = Policy::new(&access(), Some(&text)).unwrap_err();
        assert!(problem.contains("colour") && problem.contains("line"), "{problem}");
        let digest = text.lines().nth(2).unwrap();
        assert!(!problem.contains(&digest[10..40]), "{problem}");
        assert!(Policy::new(&access(), Some("[[tokens]]\nscopes = [\"root\"]")).is_err());
    }

    #[test]
    fn debug_output_shows_no_token() {
        let shown = format!("{:?}", Authorization::read(Some(b"Bearer unl_secret")));
        assert!(!shown.contains("unl_secret"), "{shown}");
    }
}

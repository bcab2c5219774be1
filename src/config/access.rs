//! The sections about who gets in: `[tls]`, `[access]`, `[audit]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::domain::access::Scope;

/// Files in PEM; read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The daemon's chain, its own certificate first.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Who signs client certificates; absent, none is asked for.
    pub client_ca: Option<PathBuf>,
    pub require_client_certificate: bool,
}

impl Tls {
    /// Whether nobody without a certificate gets through the handshake.
    pub fn is_mutual(&self) -> bool {
        self.client_ca.is_some() && self.require_client_certificate
    }
}

/// What is granted to whom. Without tokens and certificates there is no authentication, and everyone may do everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Access {
    pub tokens_file: Option<PathBuf>,
    pub certificates: Vec<CertificateGrant>,
    /// What callers without credentials may do.
    pub anonymous_scopes: Vec<Scope>,
}

impl Access {
    pub fn is_on(&self) -> bool {
        self.tokens_file.is_some() || !self.certificates.is_empty()
    }
}

/// What the holder of a client certificate may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateGrant {
    /// `CN=trainer`, `DNS:trainer.example`, `URI:spiffe://...`, `EMAIL:...`, or the whole subject.
    pub subject: String,
    pub scopes: Vec<Scope>,
}

impl CertificateGrant {
    /// Why no certificate could have this subject.
    pub(crate) fn problem(&self) -> Option<String> {
        let named = |kind: &str| self.subject.strip_prefix(kind).is_some_and(|name| !name.is_empty());
        let subject = ["CN=", "DNS:", "URI:", "EMAIL:"].into_iter().any(named) || self.subject.contains("=");
        let problem = || format!("`{}` is no subject; write CN=NAME, DNS:NAME, URI:NAME or EMAIL:NAME", self.subject);
        (!subject).then(problem)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// JSON lines, one for each call that changes something; absent, they are in the log alone.
    pub file: Option<PathBuf>,
}

/// Adds every problem of these sections.
pub(super) fn check(config: &Config, problems: &mut Vec<String>) {
    let Config { tls, access, .. } = config;
    let client_ca = tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    if !access.certificates.is_empty() && client_ca.is_none() {
        problems.push("access.certificates: no client certificate is ever asked for; set tls.client_ca".to_owned());
    }
    if !access.anonymous_scopes.is_empty() && !access.is_on() {
        let why = "there is no authentication, so everyone may do everything; set access.tokens_file";
        problems.push(format!("access.anonymous_scopes: {why}"));
    }
    if tls.as_ref().is_some_and(|tls| tls.require_client_certificate && tls.client_ca.is_none()) {
        let why = "without tls.client_ca no certificate could be checked";
        problems.push(format!("tls.require_client_certificate: {why}"));
    }
    let nameless = access.certificates.iter().filter_map(CertificateGrant::problem);
    problems.extend(nameless.map(|problem| format!("access.certificates: {problem}")));
    problems.extend(open_to_others(config));
}

/// Beyond loopback it takes both TLS and a check of who calls, or the operator's word.
fn open_to_others(config: &Config) -> Option<String> {
    if config.listen.ip().is_loopback() || config.allow_insecure_remote {
        return None;
    }
    let authenticated = config.access.is_on() || config.tls.as_ref().is_some_and(Tls::is_mutual);
    let (lack, remedy) = match (config.tls.is_some(), authenticated) {
        (true, true) => return None,
        (true, false) => ("no authentication", "set access.tokens_file or tls.client_ca"),
        (false, true) => ("no TLS", "set tls.certificate and tls.key"),
        (false, false) => (
            "neither TLS nor authentication",
            "set tls.certificate, tls.key and access.tokens_file, or use a loopback address",
        ),
    };
    let listen = config.listen;
    Some(format!(
        "listen: {listen} can be reached from other machines, and there is {lack}; {remedy}, or say --allow-insecure-remote where \
         the network is trusted"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::new("/var/lib/x");
        change(&mut config);
        let mut problems = Vec::new();
        check(&config, &mut problems);
        problems
    }

    fn tls(client_ca: bool) -> Option<Tls> {
        let client_ca = client_ca.then(|| PathBuf::from("ca.pem"));
        let require_client_certificate = client_ca.is_some();
        Some(Tls { certificate: "c.pem".into(), key: "k.pem".into(), client_ca, require_client_certificate })
    }

    fn tokens() -> Access {
        Access { tokens_file: Some("tokens.toml".into()), ..Access::default() }
    }

    #[test]
    fn leaving_loopback_takes_tls_and_authentication_or_a_word() {
        let remote = |tls: Option<Tls>, access: Access, word: bool| {
            problems(|config| {
                config.listen = "0.0.0.0:7461".parse().unwrap();
                (config.tls, config.access, config.allow_insecure_remote) = (tls, access, word);
            })
        };
        assert!(remote(None, Access::default(), false)[0].contains("neither TLS nor authentication"));
        assert!(remote(None, tokens(), false)[0].contains("no TLS"));
        assert!(remote(tls(false), Access::default(), false)[0].contains("no authentication"));
        for (tls, access, word) in
            [(tls(false), tokens(), false), (tls(true), Access::default(), false), (None, Access::default(), true)]
        {
            assert_eq!(remote(tls, access, word), Vec::<String>::new());
        }
    }

    #[test]
    fn what_could_never_work_is_told() {
        let certificates = vec![CertificateGrant { subject: "trainer".into(), scopes: vec![Scope::Job] }];
        let found = problems(|config| config.access.certificates = certificates);
        assert_eq!(found.len(), 2, "{found:#?}");
        let found = problems(|config| config.access.anonymous_scopes = vec![Scope::Health]);
        assert!(found[0].starts_with("access.anonymous_scopes:"), "{found:#?}");
        let required = tls(false).map(|tls| Tls { require_client_certificate: true, ..tls });
        assert!(problems(|config| config.tls = required)[0].starts_with("tls.require_client_certificate:"));
    }
}

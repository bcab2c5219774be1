//! Client certificates as principals. Whether a certificate is genuine was decided in the TLS handshake; here it only gets its name.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::CertificateGrant;
use crate::domain::access::{Principal, Scopes};

/// The names of one certificate, read once for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    /// How the principal is called: the common name, else the first alternative name, else the whole subject.
    display: String,
    /// `CN=trainer`, `DNS:trainer.example`, `URI:spiffe://...`, `EMAIL:...`, and the whole subject (`CN=trainer, O=Example`).
    subjects: Vec<String>,
}

impl CertificateNames {
    /// `None` for what is no X.509 certificate; the handshake lets none of those pass.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let whole = certificate.subject().to_string();
        let mut common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        // Two common names would leave open whose certificate it is.
        let common = common.next().filter(|_| common.next().is_none()).map(|name| format!("CN={name}"));
        let alternatives = alternatives(&certificate);
        let subjects: Vec<_> = common.into_iter().chain(alternatives).collect();
        let display = subjects.first().unwrap_or(&whole);
        let display = display.strip_prefix("CN=").unwrap_or(display).chars().filter(|letter| !letter.is_control());
        Some(Self { display: display.collect(), subjects: subjects.iter().cloned().chain([whole.clone()]).collect() })
    }

    /// The principal, if some grant names this certificate; several grants add up.
    pub(super) fn principal(&self, grants: &[CertificateGrant]) -> Option<Principal> {
        let mut mine = grants.iter().filter(|grant| self.subjects.contains(&grant.subject)).peekable();
        mine.peek()?;
        Some(self.with(mine.flat_map(|grant| grant.scopes.iter().copied()).collect()))
    }

    /// The principal with rights that do not depend on its name.
    pub(super) fn with(&self, scopes: Scopes) -> Principal {
        Principal::certificate(&self.display, scopes)
    }
}

fn alternatives(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(alternative).collect()
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign enum of eight forms, of which three are names of principals"
)]
fn alternative(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::URI(name) => Some(format!("URI:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("EMAIL:{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;
    use crate::domain::access::Scope;

    fn names(common: &[&str], dns: &[&str]) -> CertificateNames {
        let mut params = CertificateParams::new(dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        CertificateNames::read(certificate.der()).unwrap()
    }

    fn grant(subject: &str, scope: Scope) -> CertificateGrant {
        CertificateGrant { subject: subject.to_owned(), scopes: vec![scope] }
    }

    #[test]
    fn common_and_alternative_names_are_granted_and_add_up() {
        let grants =
            [grant("CN=trainer", Scope::Job), grant("DNS:t.example", Scope::Infer), grant("CN=x", Scope::Admin)];
        let principal = names(&["trainer"], &["t.example"]).principal(&grants).unwrap();
        assert_eq!(&*principal.name, "certificates/trainer");
        assert_eq!(principal.scopes, Scopes::from_iter([Scope::Job, Scope::Infer]));
    }

    #[test]
    fn a_name_is_granted_whole_and_of_its_kind() {
        let grants = [grant("CN=trainer", Scope::Job)];
        assert!(names(&["trainer2"], &[]).principal(&grants).is_none());
        assert!(names(&[], &["trainer"]).principal(&grants).is_none());
        assert!(CertificateNames::read(b"not a certificate").is_none());
    }

    #[test]
    fn the_display_name_is_fit_for_a_log() {
        assert_eq!(&*names(&["a\nb"], &[]).with(Scopes::default()).name, "certificates/ab");
        assert_eq!(&*names(&[], &["t.example"]).with(Scopes::default()).name, "certificates/DNS:t.example");
    }
}

//! What to do about a TLS connection that failed, by what the error and its causes say.

/// A daemon that speaks TLS ends a connection in plain text without a word that HTTP/2 understands.
const BROKEN: &str =
    "the daemon closed the connection: is it still running? where it speaks TLS, write --server https://HOST:PORT";

/// Words of rustls and h2, and what they call for.
const REMEDIES: [(&str, &str); 15] = [
    (
        "UnknownIssuer",
        "the daemon's certificate is signed by nobody that is trusted here: name its signer with --ca FILE",
    ),
    (
        "certificate expired",
        "the daemon's certificate has expired: its operator must replace it (it is read again without a restart)",
    ),
    ("certificate not valid yet", "the daemon's certificate is not valid yet: compare the clocks of both machines"),
    (
        "not valid for name",
        "the daemon's certificate is for another name: correct --server, or name it with --server-name",
    ),
    (
        "NotValidForName",
        "the daemon's certificate is for another name: correct --server, or name it with --server-name",
    ),
    ("alert: CertificateRequired", "the daemon wants a client certificate: name one with --cert FILE and --key FILE"),
    (
        "alert: UnknownCA",
        "the daemon does not trust who signed the certificate of --cert: use one that its tls.client_ca signed",
    ),
    ("alert: CertificateExpired", "the certificate of --cert has expired: get a new one"),
    ("alert: BadCertificate", "the daemon does not accept the certificate of --cert"),
    (
        "alert: DecryptError",
        "the daemon does not accept the certificate of --cert: use one that its tls.client_ca signed",
    ),
    ("InvalidContentType", "the daemon does not speak TLS there: write --server http://HOST:PORT"),
    (
        "NativeCertsNotFound",
        "this system trusts no authorities: name the signer of the daemon's certificate with --ca FILE",
    ),
    ("stream closed because of a broken pipe", BROKEN),
    ("frame with invalid size", BROKEN),
    ("Connection reset by peer", BROKEN),
];

/// The remedy for the first cause that is known.
pub(super) fn hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let causes = std::iter::successors(Some(error), |error| error.source()).take(super::MOST_CAUSES);
    let told: Vec<_> = causes.map(|cause| format!("{cause} {cause:?}")).collect();
    let fits = |words: &str| told.iter().any(|text| text.contains(words));
    REMEDIES.iter().find(|(words, _)| fits(words)).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_own_remedy() {
        let told = |text: &str| hint(&std::io::Error::other(text.to_owned()));
        assert!(told("invalid peer certificate: UnknownIssuer").unwrap().contains("--ca"));
        assert!(told("received fatal alert: CertificateRequired").unwrap().contains("--cert"));
        assert!(told("received corrupt message of type InvalidContentType").unwrap().contains("http://"));
        assert_eq!(told("connection refused"), None);
    }
}

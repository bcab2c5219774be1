//! How the daemon is reached and who calls. A token is never a flag: other users see the command lines of all processes.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::GLOBAL;
use crate::client::error::{Error, Result};

/// Where a token may stand instead of in a file.
const TOKEN: &str = "UNLEARND_TOKEN";

#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// Address of the daemon; https where it speaks TLS.
    #[arg(
        long,
        global = true,
        env = "UNLEARND_SERVER",
        default_value = "http://127.0.0.1:7461",
        value_name = "http[s]://HOST:PORT",
        help_heading = GLOBAL
    )]
    pub(crate) server: String,
    /// Who signed the daemon's certificate (PEM) [default: the authorities that this system trusts].
    #[arg(long, global = true, env = "UNLEARND_CA", value_name = "FILE", help_heading = GLOBAL)]
    ca: Option<PathBuf>,
    /// Certificate to show to the daemon (PEM).
    #[arg(long, global = true, env = "UNLEARND_CERT", value_name = "FILE", help_heading = GLOBAL)]
    cert: Option<PathBuf>,
    /// Private key of that certificate (PEM).
    #[arg(long, global = true, env = "UNLEARND_KEY", value_name = "FILE", help_heading = GLOBAL)]
    key: Option<PathBuf>,
    /// Name that the daemon's certificate must have [default: the host of --server].
    #[arg(long, global = true, env = "UNLEARND_SERVER_NAME", value_name = "NAME", help_heading = GLOBAL)]
    server_name: Option<String>,
    /// File with the token to show to the daemon; or put the token into the environment as UNLEARND_TOKEN.
    #[arg(long, global = true, env = "UNLEARND_TOKEN_FILE", value_name = "FILE", help_heading = GLOBAL)]
    token_file: Option<PathBuf>,
}

impl Connection {
    /// The address with its scheme.
    pub(crate) fn address(&self) -> String {
        if self.server.contains("://") { self.server.clone() } else { format!("http://{}", self.server) }
    }

    /// Without TLS and without a token.
    #[cfg(test)]
    pub(crate) fn plain(server: &str) -> Self {
        Self { server: server.to_owned(), ca: None, cert: None, key: None, server_name: None, token_file: None }
    }

    fn is_encrypted(&self) -> bool {
        self.address().starts_with("https://")
    }

    /// What TLS needs; `None` for plain text.
    pub(crate) fn tls(&self) -> Result<Option<ClientTlsConfig>> {
        if !self.is_encrypted() {
            return self.refuse_unused().map(|()| None);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(read(path)?)),
            None => tls.with_native_roots(),
        };
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Ok(Some(tls.identity(Identity::from_pem(read(cert)?, read(key)?)))),
            (None, None) => Ok(Some(tls)),
            (Some(_), None) => Err(Error::Usage("--cert needs its --key".to_owned())),
            (None, Some(_)) => Err(Error::Usage("--key needs its --cert".to_owned())),
        }
    }

    /// A certificate that would silently not be looked at, or not be shown, is a mistake worth telling.
    fn refuse_unused(&self) -> Result<()> {
        let unused = [("--ca", self.ca.is_some()), ("--cert", self.cert.is_some()), ("--key", self.key.is_some())];
        match unused.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Error::Usage(format!("{flag} is for TLS; write --server https://HOST:PORT"))),
            None => Ok(()),
        }
    }

    /// The token of the file, else of the environment.
    pub(crate) fn bearer(&self) -> Result<Bearer> {
        let token = match &self.token_file {
            Some(path) => Some(read(path)?),
            None => std::env::var(TOKEN).ok().filter(|token| !token.is_empty()),
        };
        token.map_or_else(|| Ok(Bearer(None)), |token| Bearer::new(token.trim()))
    }

    /// Whether a token would be readable on its way.
    pub(crate) fn is_exposed(&self) -> bool {
        let address = self.address();
        let host = address.split("://").nth(1).unwrap_or_default();
        let local = ["127.", "localhost", "[::1]"].iter().any(|start| host.starts_with(start));
        !self.is_encrypted() && !local
    }
}

/// The header that says who calls, if anyone in particular. Never shown.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: &str) -> Result<Self> {
        let header = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
        let mut header = header.map_err(|_| Error::Usage("the token holds characters that no token has".to_owned()))?;
        header.set_sensitive(true);
        Ok(Self(Some(header)))
    }

    pub(crate) fn header(&self) -> Option<&MetadataValue<Ascii>> {
        self.0.as_ref()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Bearer(...)" } else { "Bearer(none)" })
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::file("read", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(server: &str) -> Connection {
        Connection::plain(server)
    }

    #[test]
    fn a_token_on_a_readable_way_is_noticed() {
        let exposed = |server| connection(server).is_exposed();
        assert!(exposed("http://10.0.0.1:7461") && exposed("gpu-host:7461"));
        assert!(!exposed("https://10.0.0.1:7461") && !exposed("127.0.0.1:7461") && !exposed("http://localhost:1"));
    }

    #[test]
    fn half_an_identity_and_unused_files_are_refused() {
        let half = Connection { cert: Some("/c.pem".into()), ..connection("https://h:1") };
        assert!(half.tls().unwrap_err().to_string().contains("--key"));
        let unused = Connection { ca: Some("/ca.pem".into()), ..connection("http://h:1") };
        assert!(unused.tls().unwrap_err().to_string().contains("https://"));
    }

    #[test]
    fn the_token_is_not_shown() {
        let bearer = Bearer::new("unl_secret").unwrap();
        assert_eq!(bearer.header().unwrap().to_str().unwrap(), "Bearer unl_secret");
        assert!(!format!("{bearer:?} {:?}", bearer.header()).contains("unl_secret"));
        assert!(Bearer::new("two\nlines").is_err());
    }
}

//! A daemon that lets not everyone in: a folder for its files, its configuration, and clients of all kinds.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Error};
use tonic::{Request, Status};

use super::authority::Pair;
use super::process::{Process, unlearnd};

/// The files of a daemon that is to be started.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// `server.pem` and `server.key`, one after the other as anyone would.
    pub(crate) fn write_server(&self, pair: &Pair) {
        self.write("server.pem", &pair.certificate);
        self.write("server.key", &pair.key);
    }

    /// Starts a daemon with this configuration, in which `@/` stands for the folder.
    pub(crate) async fn start(self, config: &str) -> Guarded {
        let folder = self.0.path().display().to_string();
        self.write("unlearnd.toml", &config.replace("@/", &format!("{folder}/")));
        let arguments = ["--config".into(), self.path("unlearnd.toml").into_os_string()];
        let address_file = self.path("address");
        let mut process = Process::launch(self.0.path(), &address_file, &arguments, &[]);
        let address = process.address(&address_file).await;
        Guarded { process, address, files: self }
    }

    /// What `--check-config` says of a configuration.
    pub(crate) fn checked(&self, config: &str) -> std::process::Output {
        let folder = self.0.path().display().to_string();
        self.write("unlearnd.toml", &config.replace("@/", &format!("{folder}/")));
        let mut command = unlearnd();
        command.args(["--check-config", "--config"]).arg(self.path("unlearnd.toml"));
        command.arg("--data-dir").arg(self.path("data")).output().unwrap()
    }
}

pub(crate) struct Guarded {
    process: Process,
    pub(crate) address: String,
    pub(crate) files: Files,
}

/// A channel whose calls carry a token.
pub(crate) type Bearing = InterceptedService<Channel, Token>;

impl Guarded {
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// SIGTERM, then the way it ended.
    pub(crate) async fn stop(&mut self) -> std::process::ExitStatus {
        self.process.signal("TERM");
        self.process.ended().await
    }

    pub(crate) async fn plain(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn secure(&self, tls: ClientTlsConfig) -> Result<Channel, Error> {
        Endpoint::from_shared(format!("https://{}", self.address)).unwrap().tls_config(tls)?.connect().await
    }

    /// In plain text, with a token.
    pub(crate) async fn bearing(&self, token: &str) -> Bearing {
        InterceptedService::new(self.plain().await, Token::new(token))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.files.0.path()
    }
}

#[derive(Clone)]
pub(crate) struct Token(MetadataValue<Ascii>);

impl Token {
    pub(crate) fn new(token: &str) -> Self {
        Self(format!("Bearer {token}").parse().unwrap())
    }
}

impl tonic::service::Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// An entry of the tokens file.
pub(crate) fn entry(name: &str, token: &str, scopes: &[&str], more: &str) -> String {
    let digest: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[[tokens]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = {scopes:?}\n{more}\n")
}

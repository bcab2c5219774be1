//! TLS: who trusts whom, certificates that change under load, and clients that do not finish.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tonic::Code;
use tonic::transport::Channel;

use super::{REPRESENTATIVES, called, every_path, let_through, refusal, refused_with};
use crate::support::authority::Authority;
use crate::support::guarded::{Files, Guarded, Token, entry};
use crate::support::until;

const TLS: &str = "[tls]\ncertificate = \"@/server.pem\"\nkey = \"@/server.key\"\n";
const MUTUAL: &str = "client_ca = \"@/clients.pem\"\n";
const LIST: &str = "/unlearnd.v1.ModelService/ListModels";

async fn started(ours: &Authority, config: &str) -> Guarded {
    let files = Files::new();
    files.write_server(&ours.server());
    files.write("clients.pem", &ours.pem());
    files.write("tokens.toml", &entry("reader", "unl_reader", &["metadata"], ""));
    files.start(config).await
}

#[tokio::test]
async fn a_token_through_tls_opens_its_scope() {
    let ours = Authority::new("ours");
    let daemon = started(&ours, &format!("{TLS}[access]\ntokens_file = \"@/tokens.toml\"\n")).await;
    let channel = daemon.secure(ours.trusted()).await.unwrap();
    assert_eq!(
        refusal(called(channel.clone(), LIST).await),
        refused_with(Code::Unauthenticated, "MISSING_CREDENTIALS")
    );
    let bearing = tonic::service::interceptor::InterceptedService::new(channel, Token::new("unl_reader"));
    assert!(called(bearing.clone(), LIST).await.is_ok());
    let narrow = called(bearing, "/unlearnd.v1.ModelService/DeleteModel").await;
    assert_eq!(refusal(narrow), refused_with(Code::PermissionDenied, "SCOPE_REQUIRED"));
}

#[tokio::test]
async fn plain_text_gets_no_answer_from_a_tls_port() {
    let ours = Authority::new("ours");
    let daemon = started(&ours, TLS).await;
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", daemon.address)).unwrap();
    let channel = endpoint.connect_lazy();
    for path in every_path() {
        assert!(called(channel.clone(), &path).await.is_err(), "{path}");
    }
    assert!(called(daemon.secure(ours.trusted()).await.unwrap(), LIST).await.is_ok());
}

#[tokio::test]
async fn a_client_that_trusts_others_does_not_connect() {
    let daemon = started(&Authority::new("ours"), TLS).await;
    let error = daemon.secure(Authority::new("theirs").trusted()).await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
}

/// A call on a new connection, which may fail in the handshake or, with TLS 1.3, at its first words.
async fn reaches(daemon: &Guarded, tls: tonic::transport::ClientTlsConfig) -> Option<Result<(), tonic::Status>> {
    let channel = daemon.secure(tls).await.ok()?;
    let answer = called(channel, LIST).await;
    let answered = answer.as_ref().map_or_else(|status| std::error::Error::source(status).is_none(), |()| true);
    answered.then_some(answer)
}

#[tokio::test]
async fn only_certificates_of_the_clients_authority_reach_a_mutual_daemon() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let grants = "[[access.certificates]]\nsubject = \"CN=reader\"\nscopes = [\"metadata\"]\n";
    let daemon = started(&ours, &format!("{TLS}{MUTUAL}{grants}")).await;
    assert!(reaches(&daemon, ours.trusted()).await.is_none(), "no certificate");
    let foreign = theirs.client("reader").identity();
    assert!(reaches(&daemon, ours.trusted().identity(foreign)).await.is_none(), "signed by others");

    let stranger = reaches(&daemon, ours.trusted().identity(ours.client("stranger").identity())).await.unwrap();
    assert_eq!(refusal(stranger), refused_with(Code::Unauthenticated, "UNKNOWN_CERTIFICATE"));

    let channel = daemon.secure(ours.trusted().identity(ours.client("reader").identity())).await.unwrap();
    for (scope, path) in REPRESENTATIVES {
        assert_eq!(let_through(&called(channel.clone(), path).await), scope == "metadata", "{path}");
    }
    assert!(daemon.log().contains("certificates/reader"));
}

#[tokio::test]
async fn with_the_clients_authority_alone_its_certificates_may_do_everything() {
    let ours = Authority::new("ours");
    let daemon = started(&ours, &format!("{TLS}{MUTUAL}")).await;
    let channel = daemon.secure(ours.trusted().identity(ours.client("anyone").identity())).await.unwrap();
    for (_, path) in REPRESENTATIVES {
        assert!(let_through(&called(channel.clone(), path).await), "{path}");
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_under_load_without_a_failed_call() {
    let ours = Authority::new("ours");
    let daemon = Arc::new(started(&ours, TLS).await);
    let load = Load::start(&daemon, &ours).await;
    let before = presented(&daemon, &ours).await;
    load.calls(20).await;

    let next = ours.server();
    daemon.files.write_server(&next);
    let next = CertificateDer::from_pem_slice(next.certificate.as_bytes()).unwrap();
    until("the new certificate", async || (presented(&daemon, &ours).await == next).then_some(())).await;
    assert_ne!(before, next);

    daemon.files.write("server.pem", "no certificate\n");
    until("the broken pair is told", async || daemon.log().contains("cannot use the changed files").then_some(()))
        .await;
    assert_eq!(presented(&daemon, &ours).await, next, "the last good pair stays");

    load.calls(20).await;
    let (calls, failures) = load.stop().await;
    println!("{calls} calls under load");
    assert_eq!(failures, Vec::<String>::new(), "of {calls} calls");
}

/// Calls without a pause: one client on a connection that stays, one on a new connection each time.
struct Load {
    stopped: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    async fn start(daemon: &Arc<Guarded>, ours: &Authority) -> Self {
        let (stopped, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let old = daemon.secure(ours.trusted()).await.unwrap();
        let clients = [Some(old), None].map(|channel| {
            let (daemon, trust) = (daemon.clone(), ours.trusted());
            let (stopped, made) = (stopped.clone(), made.clone());
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while !stopped.load(Ordering::SeqCst) {
                    if let Err(failure) = once(&daemon, channel.clone(), trust.clone()).await {
                        failures.push(failure);
                    }
                    made.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        });
        Self { stopped, made, clients: clients.into() }
    }

    /// Waits until this many more were made.
    async fn calls(&self, more: usize) {
        let target = self.made.load(Ordering::SeqCst) + more;
        until("calls under load", async || (self.made.load(Ordering::SeqCst) >= target).then_some(())).await;
    }

    async fn stop(self) -> (usize, Vec<String>) {
        self.stopped.store(true, Ordering::SeqCst);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.unwrap());
        }
        (self.made.load(Ordering::SeqCst), failures)
    }
}

async fn once(daemon: &Guarded, old: Option<Channel>, trust: tonic::transport::ClientTlsConfig) -> Result<(), String> {
    let channel = match old {
        Some(channel) => channel,
        None => daemon.secure(trust).await.map_err(|error| format!("{error:?}"))?,
    };
    called(channel, LIST).await.map_err(|status| format!("{status:?}"))
}

/// The certificate that the daemon shows on a new connection.
async fn presented(daemon: &Guarded, ours: &Authority) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ours.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config =
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(&daemon.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn handshakes_that_stall_hinder_nobody() {
    let ours = Authority::new("ours");
    let daemon = started(&ours, TLS).await;
    let mut stalled: Vec<_> = (0..300).map(|_| TcpStream::connect(&daemon.address).unwrap()).collect();
    for stream in stalled.iter_mut().step_by(2) {
        // The head of a TLS record whose body never comes; the daemon may have closed the oldest already.
        let _closed = stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00]);
    }
    let began = Instant::now();
    assert!(called(daemon.secure(ours.trusted()).await.unwrap(), LIST).await.is_ok());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(stalled);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes() {
    let ours = Authority::new("ours");
    let mut daemon = started(&ours, TLS).await;
    let _stalled: Vec<_> = (0..5).map(|_| TcpStream::connect(&daemon.address).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(daemon.stop().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn leaving_loopback_takes_tls_and_authentication() {
    let files = Files::new();
    files.write_server(&Authority::new("ours").server());
    files.write("clients.pem", &Authority::new("ours").pem());
    files.write("tokens.toml", &entry("ci", "unl_x", &["job"], ""));
    let listen = "listen = \"0.0.0.0:0\"\n";
    let access = "[access]\ntokens_file = \"@/tokens.toml\"\n";
    for (config, lack) in [
        (listen.to_owned(), "neither TLS nor authentication"),
        (format!("{listen}{TLS}"), "no authentication"),
        (format!("{listen}{access}"), "no TLS"),
    ] {
        let output = files.checked(&config);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains(lack), "{told}");
    }
    for config in [format!("{listen}{TLS}{access}"), format!("{listen}{TLS}{MUTUAL}")] {
        let output = files.checked(&config);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

//! What the configuration says about the border, opened: certificates, grants, the audit log, limits. And the task that keeps it current.

use std::future::pending;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_rustls::rustls::ServerConfig;

use super::access::{AccessLayer, AuditLog, Policy, Rate};
use super::drain::Drain;
use super::reload::{Refresh, Reloading};
use super::transport::{self, CurrentTls};
use crate::config::Config;
use crate::domain::{Error, Result};

/// How soon changed files are noticed without SIGHUP.
const PERIOD: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub struct Border {
    pub(super) message_bytes: usize,
    pub(super) connections: usize,
    pub(super) streams_per_connection: u32,
    /// Serves `grpc.health.v1` alone.
    pub(super) health: Option<TcpListener>,
    tls: Option<Reloading<ServerConfig>>,
    policy: Reloading<Policy>,
    audit: AuditLog,
    rate: Rate,
}

impl Border {
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn open(config: &Config) -> Result<Self> {
        let audit = AuditLog::open(config.audit.file.as_deref()).map_err(|error| {
            let path = config.audit.file.as_deref().unwrap_or_else(|| "".as_ref()).display();
            Error::failed_precondition("UNUSABLE_FILE", format!("audit.file: cannot append to {path}"))
                .with_source(error)
        })?;
        let limits = &config.limits;
        Ok(Self {
            message_bytes: limits.message_bytes,
            connections: limits.connections,
            streams_per_connection: limits.streams_per_connection,
            health: None,
            tls: tls(config)?,
            policy: policy(config)?,
            audit,
            rate: Rate::new(limits.calls_per_second),
        })
    }

    /// What is wrong with the files that the configuration names; creates nothing.
    pub fn problems(config: &Config) -> Vec<String> {
        [tls(config).err(), policy(config).err()].into_iter().flatten().map(|error| error.message).collect()
    }

    #[must_use]
    pub fn with_health(mut self, listener: Option<TcpListener>) -> Self {
        self.health = listener;
        self
    }

    pub(super) fn access(&self) -> AccessLayer {
        AccessLayer { policy: self.policy.current(), rate: self.rate.clone(), audit: self.audit.clone() }
    }

    pub(super) fn tls(&self) -> Option<CurrentTls> {
        self.tls.as_ref().map(Reloading::current)
    }

    /// Reads changed files again, every few seconds and on SIGHUP, until the listener closes: probes and calls of a draining daemon meet
    /// certificates of the moment too.
    pub(super) async fn keep_current(self, drain: Drain) {
        let Self { tls, policy, audit, rate, .. } = self;
        let mut values: Vec<Box<dyn Refresh>> = vec![Box::new(policy)];
        values.extend(tls.map(|tls| Box::new(tls) as Box<dyn Refresh>));
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            tokio::select! {
                () = drain.closed() => return,
                () = tokio::time::sleep(PERIOD) => {}
                () = told(&mut hangup) => audit.open_again(),
            }
            rate.forget_idle();
            let refreshed = tokio::task::spawn_blocking(move || {
                values.iter_mut().for_each(|value| value.refresh());
                values
            });
            let Ok(refreshed) = refreshed.await else { return };
            values = refreshed;
        }
    }
}

/// SIGHUP.
async fn told(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => pending().await,
    }
}

fn tls(config: &Config) -> Result<Option<Reloading<ServerConfig>>> {
    let Some(tls) = config.tls.clone() else { return Ok(None) };
    let files = transport::files(&tls);
    Reloading::open("TLS", files, move |contents| transport::server_config(&tls, contents)).map(Some)
}

fn policy(config: &Config) -> Result<Reloading<Policy>> {
    let access = config.access.clone();
    let files = access.tokens_file.iter().cloned().collect();
    Reloading::open("access", files, move |contents| {
        let text = contents.first().map(|bytes| std::str::from_utf8(bytes)).transpose();
        Policy::new(&access, text.map_err(|_| "access.tokens_file is not UTF-8".to_owned())?)
            .map_err(|problem| format!("access.tokens_file: {problem}"))
    })
}

//! The command line. Every flag is optional and wins over environment and file.

use std::path::PathBuf;

use clap::Parser;
use serde::Serialize;

use super::LogFormat;

/// Machine unlearning as a service: keeps models resident and makes them forget, driven over gRPC.
#[derive(Debug, Clone, Default, Parser, Serialize)]
#[command(name = "unlearnd", version)]
pub struct Flags {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "UNLEARND_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Check the configuration, print every problem, and exit.
    #[arg(long)]
    #[serde(skip)]
    pub check_config: bool,

    /// Read the headers of a Parquet file or of a folder of them, and exit; the daemon starts itself with this.
    #[arg(long, value_name = "PATH", hide = true)]
    #[serde(skip)]
    pub read_parquet_headers: Option<PathBuf>,

    /// Address to listen on [default: 127.0.0.1:7461]; port 0 lets the system choose.
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,

    /// Listen beyond loopback although TLS or authentication is missing.
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_insecure_remote: bool,

    /// Store, weights, datasets and caches [default: $XDG_DATA_HOME/unlearnd or ~/.local/share/unlearnd].
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,

    /// Directory that model and dataset URIs may point into; may be given several times.
    #[arg(long = "root", value_name = "DIR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<PathBuf>,

    /// File that the bound address is written to [default: `address` in the data directory].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_file: Option<PathBuf>,

    /// How log lines are written.
    #[arg(long, value_enum)]
    #[serde(skip)]
    pub log_format: Option<LogFormat>,
}

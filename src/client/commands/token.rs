//! `unlearnctl token`: makes what the daemon's operator hands out. Talks to no daemon.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::client::error::{Error, Result};
use crate::client::output::Output;
use crate::client::view::View;

const PREFIX: &str = "unl_";
const RANDOM_BYTES: usize = 32;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token: it is shown once, and the daemon's tokens file gets its hash.
    New(NewArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Whom it is for; audit lines call the holder `tokens/NAME`.
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// What its holder may do; may be given several times. A person who runs jobs needs metadata, infer and job.
    #[arg(long = "scope", value_enum, required = true, value_name = "SCOPE", value_delimiter = ',', num_args = 1..)]
    scopes: Vec<Scope>,
    /// Last day (UTC), or moment, on which it is good [default: it does not expire].
    #[arg(long, value_name = "DATE|TIME", value_parser = end)]
    expires: Option<String>,
}

/// Classes of calls; none holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// grpc.health.v1
    Health,
    /// get, list, watch, reflection
    Metadata,
    /// attributions and plans
    Infer,
    /// start and cancel jobs, add datasets and concept banks
    Job,
    /// load, create, unload, promote, export and delete
    Admin,
}

pub(super) fn run(output: Output, command: &Command) -> Result<()> {
    match command {
        Command::New(args) => output.show(&TokenView::new(args)?),
    }
}

/// A new token, shown this once.
#[derive(Serialize)]
struct TokenView {
    token: String,
    /// For the tokens file.
    entry: String,
}

impl TokenView {
    fn new(args: &NewArgs) -> Result<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::file("read random bytes from", "the system", std::io::Error::other(error.to_string()))
        })?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self { entry: entry(args, &token), token })
    }
}

impl View for TokenView {
    fn text(&self) -> String {
        let Self { token, entry } = self;
        format!(
            "{token}\n\n# Above: the token, which is shown this once. Below: its entry in the daemon's tokens file.\n\n{entry}"
        )
    }
}

fn entry(args: &NewArgs, token: &str) -> String {
    let scopes: Vec<_> = args.scopes.iter().map(|scope| format!("\"{}\"", word(*scope))).collect();
    let mut text = format!(
        "[[tokens]]\nname = \"{}\"\nsha256 = \"{}\"\nscopes = [{}]\n",
        args.name,
        hex(&Sha256::digest(token)),
        scopes.join(", ")
    );
    if let Some(expires) = &args.expires {
        text += &format!("expires = \"{expires}\"\n");
    }
    text
}

fn word(scope: Scope) -> String {
    scope.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// What the daemon accepts as a name.
fn name(text: &str) -> std::result::Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if (1..=63).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err("must be 1 to 63 of A-Z a-z 0-9 - _ . @".to_owned())
}

fn end(text: &str) -> std::result::Result<String, String> {
    if text.parse::<NaiveDate>().is_ok() || DateTime::parse_from_rfc3339(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err("write a date (2030-12-31) or a time with its offset (2030-12-31T12:00:00Z)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> NewArgs {
        NewArgs { name: "ci".into(), scopes: vec![Scope::Metadata, Scope::Job], expires: Some("2030-12-31".into()) }
    }

    #[test]
    fn a_token_has_256_random_bits_and_its_entry_only_the_hash() {
        let (one, two) = (TokenView::new(&args()).unwrap(), TokenView::new(&args()).unwrap());
        assert_ne!(one.token, two.token);
        assert_eq!(URL_SAFE_NO_PAD.decode(one.token.strip_prefix(PREFIX).unwrap()).unwrap().len(), RANDOM_BYTES);
        assert!(!one.entry.contains(&one.token) && one.entry.contains(&hex(&Sha256::digest(&one.token))));
        assert!(one.entry.contains("scopes = [\"metadata\", \"job\"]\nexpires = \"2030-12-31\"\n"), "{}", one.entry);
    }

    #[test]
    fn names_and_ends_that_the_daemon_refuses_are_refused_here() {
        assert!(name("a b").is_err() && name("").is_err() && name("ci-2").is_ok());
        assert!(end("soon").is_err() && end("2030-12-31T00:00:00Z").is_ok());
    }
}

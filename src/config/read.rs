//! Reads the sources. Each key is read by itself, so that one wrong value does not hide the next.

use std::env;
use std::path::{Path, PathBuf};

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Provider};
use serde::de::DeserializeOwned;

use super::check::check;
use super::{Access, Audit, Config, Flags, Limits, Log, Problems, Tls};

/// The configuration that file, environment and flags add up to.
///
/// # Errors
/// All problems at once, each with its source.
pub fn load(flags: &Flags) -> Result<Config, Problems> {
    let mut reader = Reader { figment: Figment::new(), asked: Vec::new(), problems: Vec::new() };
    let file = flags.config.as_deref().and_then(|path| reader.read_file(path));
    reader.figment = reader.figment.merge(Env::prefixed("UNLEARND_").split("__")).merge(Serialized::defaults(flags));
    if let Some(format) = flags.log_format {
        reader.figment = reader.figment.merge(Serialized::default("log.format", format));
    }
    let config = reader.config();
    if let Some(file) = file {
        reader.refuse_unknown(&file, "");
    }
    check(&config, &mut reader.problems);
    if reader.problems.is_empty() { Ok(config) } else { Err(Problems(reader.problems)) }
}

struct Reader {
    figment: Figment,
    /// Keys that exist, since they were asked for.
    asked: Vec<String>,
    problems: Vec<String>,
}

impl Reader {
    /// The keys of the file; `None` after a problem.
    fn read_file(&mut self, path: &Path) -> Option<Dict> {
        let shown = path.display();
        if let Err(error) = std::fs::File::open(path) {
            self.problems.push(format!("cannot read the configuration file {shown}: {error}"));
            return None;
        }
        let provider = Toml::file_exact(path);
        match provider.data() {
            Ok(profiles) => {
                self.figment = std::mem::take(&mut self.figment).merge(provider);
                profiles.into_values().next()
            }
            Err(error) => {
                self.problems.push(format!("{shown} is not TOML: {error}"));
                None
            }
        }
    }

    fn config(&mut self) -> Config {
        let data_dir = self.optional::<PathBuf>("data_dir").or_else(default_data_dir).unwrap_or_else(|| {
            self.problems.push("data_dir: neither XDG_DATA_HOME nor HOME is set; name a directory".to_owned());
            PathBuf::new()
        });
        let default = Config::new(absolute(data_dir));
        let roots = self.or("roots", default.roots);
        Config {
            listen: self.or("listen", default.listen),
            allow_insecure_remote: self.or("allow_insecure_remote", default.allow_insecure_remote),
            health_listen: self.optional("health_listen"),
            data_dir: default.data_dir,
            roots: roots.into_iter().map(absolute).collect(),
            address_file: self.optional("address_file").map(absolute),
            devices: self.or("devices", default.devices),
            threads: self.optional("threads"),
            evict_idle_models: self.or("evict_idle_models", default.evict_idle_models),
            heartbeat_seconds: self.or("heartbeat_seconds", default.heartbeat_seconds),
            drain_seconds: self.or("drain_seconds", default.drain_seconds),
            log: self.log(default.log),
            limits: self.limits(&default.limits),
            tls: self.tls(),
            access: self.access(default.access),
            audit: Audit { file: self.optional("audit.file").map(absolute) },
        }
    }

    fn log(&mut self, default: Log) -> Log {
        Log { format: self.or("log.format", default.format), filter: self.or("log.filter", default.filter) }
    }

    /// Certificate and key belong together; a section without either is no TLS only if nothing of it was said.
    fn tls(&mut self) -> Option<Tls> {
        let certificate = self.optional::<PathBuf>("tls.certificate").map(absolute);
        let key = self.optional::<PathBuf>("tls.key").map(absolute);
        let client_ca = self.optional::<PathBuf>("tls.client_ca").map(absolute);
        let require_client_certificate = self.or("tls.require_client_certificate", client_ca.is_some());
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Tls { certificate, key, client_ca, require_client_certificate }),
            (None, None) if !self.figment.contains("tls") => None,
            (Some(_), None) => self.missing("tls.key: is missing; a certificate needs its key"),
            (None, Some(_)) => self.missing("tls.certificate: is missing; a key needs its certificate"),
            (None, None) => self.missing("tls.certificate: is missing, as is tls.key; the section [tls] needs both"),
        }
    }

    fn missing<T>(&mut self, problem: &str) -> Option<T> {
        self.problems.push(problem.to_owned());
        None
    }

    fn access(&mut self, default: Access) -> Access {
        Access {
            tokens_file: self.optional("access.tokens_file").map(absolute),
            certificates: self.or("access.certificates", default.certificates),
            anonymous_scopes: self.or("access.anonymous_scopes", default.anonymous_scopes),
        }
    }

    fn limits(&mut self, default: &Limits) -> Limits {
        Limits {
            message_bytes: self.or("limits.message_bytes", default.message_bytes),
            queued_jobs: self.or("limits.queued_jobs", default.queued_jobs),
            queued_jobs_per_client: self.or("limits.queued_jobs_per_client", default.queued_jobs_per_client),
            starvation_seconds: self.or("limits.starvation_seconds", default.starvation_seconds),
            queued_commands: self.or("limits.queued_commands", default.queued_commands),
            device_memory_bytes: self.or("limits.device_memory_bytes", default.device_memory_bytes),
            activation_cache_bytes: self.or("limits.activation_cache_bytes", default.activation_cache_bytes),
            upload_bytes: self.or("limits.upload_bytes", default.upload_bytes),
            dataset_bytes: self.or("limits.dataset_bytes", default.dataset_bytes),
            connections: self.or("limits.connections", default.connections),
            streams_per_connection: self.or("limits.streams_per_connection", default.streams_per_connection),
            calls_per_second: self.or("limits.calls_per_second", default.calls_per_second),
        }
    }

    fn or<T: DeserializeOwned>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key, if some source has it; a value of the wrong kind is a problem and counts as absent.
    fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        self.asked.push(key.to_owned());
        if !self.figment.contains(key) {
            return None;
        }
        match self.figment.extract_inner(key) {
            Ok(value) => Some(value),
            Err(error) => {
                let source =
                    error.metadata.as_ref().map(|source| format!(" (from {})", source.name)).unwrap_or_default();
                self.problems.push(format!("{key}: {}{source}", error.kind));
                None
            }
        }
    }

    fn refuse_unknown(&mut self, table: &Dict, prefix: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let section = format!("{key}.");
            let is_section = self.asked.iter().any(|asked| asked.starts_with(&section));
            if let (Value::Dict(_, inner), true) = (value, is_section) {
                self.refuse_unknown(inner, &section);
            } else if !self.asked.contains(&key) {
                self.problems.push(format!("{key}: unknown key in the configuration file"));
            }
        }
    }
}

/// Relative paths are relative to the working directory of the daemon.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn default_data_dir() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data_home = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data_home.map(|home| home.join("unlearnd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unlearnd.toml");
        std::fs::write(&path, text).unwrap();
        let flags = Flags { config: Some(path), data_dir: Some("/var/lib/x".into()), ..Flags::default() };
        load(&flags).map_or_else(|problems| problems.0, |_| Vec::new())
    }

    #[test]
    fn defaults_need_nothing_but_a_place() {
        let flags = Flags { data_dir: Some("/var/lib/x".into()), ..Flags::default() };
        assert_eq!(load(&flags).unwrap(), Config::new("/var/lib/x"));
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unlearnd.toml");
        std::fs::write(&path, "listen = \"127.0.0.1:1\"\nheartbeat_seconds = 3\n").unwrap();
        let flags = Flags {
            config: Some(path),
            listen: Some("127.0.0.1:0".into()),
            data_dir: Some("/var/lib/x".into()),
            log_format: Some(crate::config::LogFormat::Json),
            ..Flags::default()
        };
        let config = load(&flags).unwrap();
        assert_eq!((config.listen.port(), config.heartbeat_seconds), (0, 3));
        assert_eq!(config.log.format, crate::config::LogFormat::Json);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let found = problems(
            "listen = \"0.0.0.0:7461\"\nheartbeat_seconds = \"soon\"\ncolour = 1\n[limits]\nqueued_jobs = 0\nqueue = 2\n",
        );
        let told = |start: &str| found.iter().filter(|problem| problem.starts_with(start)).count() == 1;
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(told("listen:") && told("heartbeat_seconds:") && told("colour:"), "{found:#?}");
        assert!(told("limits.queued_jobs:") && told("limits.queue:"), "{found:#?}");
    }

    #[test]
    fn half_a_certificate_is_a_problem() {
        for text in ["[tls]\ncertificate = \"c.pem\"", "[tls]\nkey = \"k.pem\"", "[tls]\n", "[tls]\nclient_ca = \"c\""]
        {
            let found = problems(text);
            assert!(found.iter().any(|problem| problem.starts_with("tls.")), "{text}: {found:#?}");
        }
        assert_eq!(problems("[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\""), Vec::<String>::new());
    }

    #[test]
    fn scopes_have_known_names() {
        let found = problems("[access]\ntokens_file = \"t\"\nanonymous_scopes = [\"health\", \"root\"]");
        assert!(found.len() == 1 && found[0].contains("root"), "{found:#?}");
    }

    #[test]
    fn a_missing_or_broken_file_is_a_problem() {
        let flags = Flags { config: Some("/nowhere/unlearnd.toml".into()), ..Flags::default() };
        assert!(load(&flags).unwrap_err().0[0].contains("cannot read"));
        assert!(problems("listen = ")[0].contains("is not TOML"));
    }

    #[test]
    fn the_example_is_valid_and_complete() {
        let text = include_str!("../../deploy/unlearnd.example.toml");
        assert_eq!(problems(text), Vec::<String>::new());
        // Also with every commented line in force, apart from those that name this machine.
        let all: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .filter(|line| !line.starts_with("roots"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(problems(&all), Vec::<String>::new());
    }
}

//! What a value must be beyond its type.

use std::ops::RangeInclusive;
use std::path::Path;

use tracing_subscriber::EnvFilter;

use super::{Config, Limits, access};

const MESSAGE_BYTES: RangeInclusive<usize> = 64 << 10..=(2 << 30) - 1;
const SECONDS: RangeInclusive<u64> = 1..=3600;

/// Adds every problem of `config`.
pub(super) fn check(config: &Config, problems: &mut Vec<String>) {
    access::check(config, problems);
    problems.extend(config.roots.iter().filter_map(|root| not_a_directory(root)));
    problems.extend(config.devices.iter().filter_map(|device| unknown_device(device)));
    problems.extend(outside("threads", config.threads.unwrap_or(1), &(1..=1024)));
    problems.extend(outside("heartbeat_seconds", config.heartbeat_seconds, &SECONDS));
    problems.extend(outside("drain_seconds", config.drain_seconds, &SECONDS));
    if let Err(error) = EnvFilter::try_new(&config.log.filter) {
        problems.push(format!("log.filter: `{}` is no filter: {error}", config.log.filter));
    }
    check_limits(&config.limits, problems);
}

fn check_limits(limits: &Limits, problems: &mut Vec<String>) {
    let Limits {
        message_bytes,
        queued_jobs,
        queued_jobs_per_client,
        starvation_seconds,
        queued_commands,
        device_memory_bytes: _,
        activation_cache_bytes: _,
        upload_bytes,
        dataset_bytes,
        connections,
        streams_per_connection,
        calls_per_second: _,
    } = limits;
    problems.extend(outside("limits.message_bytes", *message_bytes, &MESSAGE_BYTES));
    problems.extend(outside("limits.queued_jobs", *queued_jobs, &(1..=1_000_000)));
    problems.extend(outside("limits.queued_jobs_per_client", *queued_jobs_per_client, &(0..=1_000_000)));
    problems.extend(outside("limits.starvation_seconds", *starvation_seconds, &(1..=30 * 24 * 3600)));
    problems.extend(outside("limits.queued_commands", *queued_commands, &(1..=100_000)));
    problems.extend(outside("limits.upload_bytes", *upload_bytes, &(1..=u64::MAX)));
    problems.extend(outside("limits.dataset_bytes", *dataset_bytes, &(1..=u64::MAX)));
    problems.extend(outside("limits.connections", *connections, &(1..=1_000_000)));
    problems.extend(outside("limits.streams_per_connection", *streams_per_connection, &(1..=100_000)));
}

fn not_a_directory(root: &Path) -> Option<String> {
    (!root.is_dir()).then(|| format!("roots: {} is not a directory", root.display()))
}

fn unknown_device(device: &str) -> Option<String> {
    let cuda = device.strip_prefix("cuda:").is_some_and(|index| index.parse::<u8>().is_ok());
    (device != "cpu" && !cuda).then(|| format!("devices: `{device}` is no device; write `cpu` or `cuda:0`"))
}

fn outside<T: PartialOrd + std::fmt::Display>(key: &str, value: T, range: &RangeInclusive<T>) -> Option<String> {
    let problem = || format!("{key}: is {value}; it must be from {} to {}", range.start(), range.end());
    (!range.contains(&value)).then(problem)
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

    #[test]
    fn leaving_loopback_takes_a_word() {
        let remote = "0.0.0.0:7461".parse().unwrap();
        assert!(problems(|config| config.listen = remote)[0].contains("--allow-insecure-remote"));
        let allowed = problems(|config| (config.listen, config.allow_insecure_remote) = (remote, true));
        assert_eq!(allowed, Vec::<String>::new());
    }

    #[test]
    fn devices_have_known_names() {
        let named = |device: &str| problems(|config| config.devices = vec![device.to_owned()]).len();
        assert_eq!((named("cpu"), named("cuda:1"), named("gpu"), named("cuda")), (0, 0, 1, 1));
    }

    #[test]
    fn filters_are_parsed() {
        assert_eq!(problems(|config| config.log.filter = "unlearnd=loud=x".to_owned()).len(), 1);
    }
}

//! How many calls a second one caller may make: a token bucket each, as deep as one second's worth.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Whose calls are counted together: a principal with a name, else an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    Named(Arc<str>),
    At(Option<IpAddr>),
}

/// Buckets of all callers; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::rpc) struct Rate(Option<Arc<DefaultKeyedRateLimiter<Caller>>>);

impl Rate {
    /// 0 is no limit.
    pub(in crate::rpc) fn new(calls_per_second: u32) -> Self {
        let quota = NonZeroU32::new(calls_per_second).map(Quota::per_second);
        Self(quota.map(|quota| Arc::new(RateLimiter::keyed(quota))))
    }

    /// Counts a call; the error is how long to wait.
    pub(super) fn check(&self, caller: &Caller) -> Result<(), Duration> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        buckets.check_key(caller).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets callers whose bucket is full again.
    pub(in crate::rpc) fn forget_idle(&self) {
        if let Some(buckets) = &self.0 {
            buckets.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_passes_and_the_next_call_waits() {
        let rate = Rate::new(5);
        let caller = Caller::Named("tokens/a".into());
        assert!((0..5).all(|_| rate.check(&caller).is_ok()));
        let wait = rate.check(&caller).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(200), "{wait:?}");
        assert!(rate.check(&Caller::At(None)).is_ok(), "others have a bucket of their own");
    }

    #[test]
    fn zero_is_no_limit() {
        let rate = Rate::new(0);
        assert!((0..1000).all(|_| rate.check(&Caller::At(None)).is_ok()));
    }
}

//! What systemd is told (`Type=notify`, `WatchdogSec=`); without it nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::engine::Engine;

/// It serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It drains, and may take `deadline` for it.
pub(super) fn stopping(deadline: Duration) {
    let micros = u32::try_from(deadline.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
}

/// Ticks the watchdog for as long as the store answers: a timer alone would tick in a daemon that hangs.
pub(super) async fn watchdog(engine: Engine) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        if tokio::time::timeout(limit / 2, engine.check_alive()).await.is_ok_and(|alive| alive.is_ok()) {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(limit / 3).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

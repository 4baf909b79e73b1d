//! Whether the gateway takes work, and which configuration is in force: told by `app`, shown here.

use crate::config::Problem;
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// What `app` tells of itself. One for each gateway, shared.
#[derive(Debug)]
pub struct Health(Mutex<HealthState>);

/// How the gateway stands at one moment.
#[derive(Clone, Debug)]
pub struct HealthState {
    /// Whether it takes work.
    pub phase: Phase,
    /// Since when the configuration in force is in force.
    pub in_force_since: Timestamp,
    /// The last reload, if it was refused.
    pub refused_reload: Option<Arc<RefusedReload>>,
    /// Keys of the configuration in force that hold from the next start on alone.
    pub for_next_start: Vec<&'static str>,
}

/// Where the gateway is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does not take work yet.
    Starting,
    /// It takes work.
    Serving,
    /// It ends what is under way and takes nothing new.
    Stopping,
}

/// A configuration that was refused whole, so that the one before it stays in force.
#[derive(Clone, Debug)]
pub struct RefusedReload {
    /// When it was tried.
    pub at: Timestamp,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

impl Health {
    /// A gateway that is starting, with the configuration that it starts with.
    pub fn new(in_force_since: Timestamp) -> Self {
        Self(Mutex::new(HealthState { phase: Phase::Starting, in_force_since, refused_reload: None, for_next_start: Vec::new() }))
    }

    /// It takes work from now on.
    pub fn serving(&self) {
        self.change(|state| state.phase = Phase::Serving);
    }

    /// It is shutting down from now on.
    pub fn stopping(&self) {
        self.change(|state| state.phase = Phase::Stopping);
    }

    /// A new configuration is in force, but for some of its keys.
    pub fn reloaded(&self, at: Timestamp, for_next_start: Vec<&'static str>) {
        self.change(|state| {
            state.in_force_since = at;
            state.refused_reload = None;
            state.for_next_start = for_next_start;
        });
    }

    /// A new configuration was refused.
    pub fn reload_refused(&self, at: Timestamp, problems: Vec<Problem>) {
        self.change(|state| state.refused_reload = Some(Arc::new(RefusedReload { at, problems })));
    }

    /// How it stands now.
    pub fn state(&self) -> HealthState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut HealthState)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

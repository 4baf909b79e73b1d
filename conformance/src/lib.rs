//! A black-box conformance suite: plays scenarios against a running gateway over mutual TLS.
//!
//! It is given the path of the `portolan` binary and knows nothing of what is inside: it makes an
//! authority and identities of its own, starts `portolan serve` on the folder in `gateway/`, plays
//! what stands in `scenarios/` and holds the answers against what is expected. `requirements.toml`
//! lists what must be shown, `gaps.toml` what is known not to hold yet, with reasons.
//!
//! Read [`suite`] for what is on disk, [`scenario`] for how a scenario is written, [`play`] for what
//! is done with it.

pub mod body;
pub mod client;
pub mod expect;
pub mod gateway;
pub mod identities;
pub mod play;
pub mod report;
pub mod scenario;
pub mod suite;

use gateway::Gateway;
use report::Report;
use std::path::Path;
use suite::Suite;

/// Anything that keeps the suite from being played.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Starts a gateway from `binary` and plays every scenario of the suite whose name contains `only`.
///
/// # Errors
/// When the gateway does not start. What it does wrong after that is in the report.
pub fn run<'s>(suite: &'s Suite, binary: &Path, only: &str) -> Result<Report<'s>, BoxError> {
    let mut gateway = Gateway::start(binary, &suite.folder.join("gateway"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::new(suite);
    for scenario in suite.scenarios.iter().filter(|s| s.name.contains(only)) {
        for &protocol in scenario.protocols() {
            let complaints = runtime.block_on(play::play(&mut gateway, &suite.folder, scenario, protocol));
            report.played(scenario, protocol, complaints);
        }
    }
    if only.is_empty() {
        report.note_unshown();
    }
    Ok(report)
}

/// The suite that lies beside this crate's source.
pub fn own_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

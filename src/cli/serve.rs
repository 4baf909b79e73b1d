//! `portolan serve`: runs the gateway until it is told to stop.

use super::{exit, terminal};
use crate::app::Gateway;
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

pub(super) const ABOUT: &str = "\
Run the gateway that a configuration folder describes.

It takes SIGTERM or Ctrl-C as the end: nothing new is taken in, answers under way are finished, and
work that was accepted goes on after the next start. A change of a file, or SIGHUP, is a reload: a
configuration with any problem is refused whole and the old one stays. Logs go to standard error,
one JSON object a line unless that is a terminal; PORTOLAN_LOG=debug shows more.";

pub(super) const EXAMPLE: &str = "\
Examples:
  portolan check --config /etc/portolan    look before you start
  portolan serve --config /etc/portolan
  kill -HUP $(pidof portolan)              read the configuration again";

/// `portolan serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Folder with portolan.toml, partners/ and flows/
    #[arg(long, value_name = "FOLDER", default_value = "/etc/portolan")]
    config: PathBuf,
}

pub(super) fn run(args: &Serve) -> ExitCode {
    log_to_stderr("info");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&format!("the runtime cannot start: {error}")),
    };
    let ended = runtime.block_on(async {
        let gateway = match Gateway::start(&args.config).await {
            Ok(gateway) => gateway,
            Err(error) => return terminal::fail(&error.to_string()),
        };
        gateway.run(asked_to_end()).await;
        ExitCode::from(exit::GOOD)
    });
    // Dropped, it would wait for threads that still translate or validate, beyond the shutdown time.
    runtime.shutdown_background();
    ended
}

/// Waits for SIGTERM or SIGINT.
pub(super) async fn asked_to_end() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        // Without signals the process can still be killed; what was accepted is safe.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Logs to standard error: for people on a terminal, else as JSON lines.
pub(super) fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_from_env("PORTOLAN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber, as in a test, is no reason to stop.
    let _ = if std::io::stderr().is_terminal() { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
}

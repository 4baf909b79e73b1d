//! A gateway of our own: scratch folder, identities, configuration, process.
//!
//! The configuration listens on port 0; the address is read from the line with which the gateway
//! says that it is up.

use crate::BoxError;
use crate::identities::Identities;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time for the gateway to come up.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for it to take up or to refuse a changed configuration.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two looks whether it has.
const RELOAD_LOOK: Duration = Duration::from_millis(20);
/// How the gateway begins the line that says what became of a changed configuration.
const RELOADED: &str = "the new configuration is ";
/// Last lines of its log that are kept, to show when it is gone.
const LOG_LINES_MAX: usize = 40;

/// A running gateway; it ends with this value.
pub struct Gateway {
    /// Where partners connect.
    pub address: SocketAddr,
    /// Who may call, and who may not.
    pub identities: Identities,
    process: Child,
    log: Arc<Log>,
    template: PathBuf,
    scratch: tempfile::TempDir,
}

/// What the process says.
#[derive(Default)]
struct Log {
    last: Mutex<VecDeque<String>>,
    reloads: AtomicUsize,
}

impl Gateway {
    /// Makes everything that a gateway needs and starts it; `template` holds its configuration but
    /// for the identities.
    ///
    /// # Errors
    /// When it does not come up; with its own words.
    pub fn start(binary: &Path, template: &Path) -> Result<Self, BoxError> {
        let scratch = tempfile::tempdir()?;
        let config = scratch.path().join("config");
        copy(template, &config)?;
        let identities = Identities::make(&config.join("identities"))?;
        let mut process = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .env("PORTOLAN_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{} does not start: {e}", binary.display()))?;
        let log = Arc::new(Log::default());
        let (sender, receiver) = channel();
        if let Some(errors) = process.stderr.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || follow(errors, &log, &sender));
        }
        match receiver.recv_timeout(START_TIMEOUT) {
            Ok(address) => Ok(Self { address, identities, process, log, template: template.to_owned(), scratch }),
            Err(_) => {
                let _ = process.kill();
                let _ = process.wait();
                Err(format!("the gateway did not come up:\n{}", last_words(&log)).into())
            }
        }
    }

    /// What the process said last, if it has ended.
    pub fn ended(&mut self) -> Option<String> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("the gateway ended, {status}:\n{}", last_words(&self.log))),
            Err(error) => Some(format!("the gateway cannot be watched: {error}")),
        }
    }

    /// Changes files of the configuration, and waits until the gateway has taken them up or refused
    /// them. An empty text is the file as it was at first.
    ///
    /// # Errors
    /// When a file cannot be written or the gateway says nothing.
    pub async fn change(&self, files: &BTreeMap<String, String>) -> Result<(), BoxError> {
        let before = self.log.reloads.load(Ordering::Acquire);
        for (name, text) in files {
            let text = if text.is_empty() { std::fs::read_to_string(self.template.join(name))? } else { text.clone() };
            std::fs::write(self.scratch.path().join("config").join(name), text)?;
        }
        let reloaded = async {
            while self.log.reloads.load(Ordering::Acquire) == before {
                tokio::time::sleep(RELOAD_LOOK).await;
            }
        };
        tokio::time::timeout(RELOAD_TIMEOUT, reloaded).await.map_err(|_| "the gateway does not look at its changed configuration".into())
    }

    /// Where bodies lie while they are received; empty when nothing is under way.
    pub fn spool(&self) -> PathBuf {
        self.scratch.path().join("data").join("spool")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may be gone already, which was reported.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn follow(errors: ChildStderr, log: &Log, up: &Sender<SocketAddr>) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(address) = said.get("partner_address").and_then(|a| a.as_str()?.parse().ok()) {
            let _ = up.send(address);
        }
        if said.get("message").and_then(|m| m.as_str()).is_some_and(|m| m.starts_with(RELOADED)) {
            log.reloads.fetch_add(1, Ordering::Release);
        }
        let mut last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LOG_LINES_MAX {
            last.pop_front();
        }
        last.push_back(line);
    }
}

fn last_words(log: &Log) -> String {
    let last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
    last.iter().map(|line| format!("  {line}\n")).collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), BoxError> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

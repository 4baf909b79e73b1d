//! When to read the configuration again: at a change of its files, and at SIGHUP.
//!
//! Changes within [`QUIET_MS`] of each other are one reload; a stream of changes that never ends is cut
//! after [`GATHER_MS_MAX`]. What is watched: the configuration's own files, its partners, flows,
//! queries, operators and mappings, every certificate, key and revocation list that it names, and a receipt key that waits to
//! be taken up; of the data folder nothing else.

use super::{Config, Identity, Listener};
use crate::receipt::keys::{NEXT_KEY_FILE, keys_folder};
use arc_swap::ArcSwap;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Milliseconds without a further change before a change counts.
pub const QUIET_MS: u64 = 200;
/// Milliseconds after which changes count although they have not ended.
pub const GATHER_MS_MAX: u64 = 5_000;

/// The moments at which to read the configuration again.
pub struct Reloads {
    watcher: RecommendedWatcher,
    hangups: tokio::signal::unix::Signal,
    changed: Arc<Notify>,
    scope: Arc<ArcSwap<Scope>>,
    /// A change was seen and is not reported yet.
    gathering: bool,
}

impl Reloads {
    /// Begins to watch. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the system has no more watches to give, or SIGHUP cannot be listened for.
    pub fn new(config: &Config) -> Result<Self, crate::fault::BoxError> {
        let changed = Arc::new(Notify::new());
        let scope = Arc::new(ArcSwap::from_pointee(Scope::default()));
        let watcher = {
            let (changed, scope) = (changed.clone(), scope.clone());
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // An error means that changes may have been lost: read again to be sure.
                if event.as_ref().map_or(true, |event| matters(event, &scope.load())) {
                    changed.notify_one();
                }
            })?
        };
        let hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        let mut reloads = Self { watcher, hangups, changed, scope, gathering: false };
        reloads.follow(config)?;
        Ok(reloads)
    }

    /// Watches what this configuration names from now on; to be called with each one that is taken,
    /// and again after one was refused, as a folder may have been made in the meantime.
    ///
    /// # Errors
    /// When the system has no more watches to give; what could be watched is watched.
    pub fn follow(&mut self, config: &Config) -> Result<(), crate::fault::BoxError> {
        let scope = Scope::of(config);
        let (old, new) = (self.scope.load().watches(), scope.watches());
        self.scope.store(Arc::new(scope));
        for folder in old.keys().filter(|folder| !new.contains_key(*folder)) {
            // A folder that is gone has lost its watch already.
            let _ = self.watcher.unwatch(folder);
        }
        let mut failed = None;
        // Those watched before are watched anew: a folder may have been removed and made again.
        for (folder, mode) in new.iter().filter(|(folder, _)| folder.is_dir()) {
            failed = self.watcher.watch(folder, *mode).err().or(failed);
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Waits for the next reason to read the configuration again. May be dropped and called anew
    /// without losing one.
    pub async fn next(&mut self) {
        if !self.gathering {
            tokio::select! {
                _ = self.hangups.recv() => return,
                () = self.changed.notified() => self.gathering = true,
            }
        }
        self.gather().await;
        self.gathering = false;
    }

    async fn gather(&self) {
        let end = Instant::now() + Duration::from_millis(GATHER_MS_MAX);
        loop {
            let quiet = (Instant::now() + Duration::from_millis(QUIET_MS)).min(end);
            if timeout_at(quiet, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }
}

/// What belongs to a configuration on the disk.
#[derive(Debug, Default)]
struct Scope {
    /// Files by themselves.
    files: BTreeSet<PathBuf>,
    /// Folders with everything in them.
    folders: BTreeSet<PathBuf>,
}

impl Scope {
    fn of(config: &Config) -> Self {
        let gateway = &config.gateway;
        let listeners = [&gateway.partner_listener, &gateway.operator_listener];
        let destinations = || config.partners.values().flat_map(|partner| partner.destinations.values());
        let identities = listeners.iter().map(|l| &l.identity).chain(&gateway.outbound_identity);
        let identities = identities.chain(destinations().filter_map(|d| d.identity.as_ref()));
        let mut files = BTreeSet::from([config.folder.join("portolan.toml")]);
        files.extend(identities.flat_map(|Identity { chain, key }| [chain, key]).map(|file| file.to_path_buf()));
        files.extend(
            listeners
                .iter()
                .flat_map(|Listener { client_authorities, revocation_lists, .. }| client_authorities.iter().chain(revocation_lists))
                .map(|file| file.to_path_buf()),
        );
        files.extend(destinations().flat_map(|d| &d.authorities).map(|file| file.to_path_buf()));
        files.extend(config.certificate_files.keys().cloned());
        let webhooks = gateway.alarms.webhooks.values();
        files.extend(webhooks.flat_map(|webhook| webhook.authorities.iter().chain([&webhook.secret])).map(|file| file.to_path_buf()));
        files.insert(keys_folder(&gateway.data).join(NEXT_KEY_FILE));
        let folders = ["partners", "flows", "queries", "reconciliations", "operators", "calendars"];
        let mut folders: BTreeSet<PathBuf> = folders.iter().map(|folder| config.folder.join(folder)).collect();
        folders.extend(gateway.mappings.iter().cloned());
        Self { files: files.iter().map(|file| as_in_events(file)).collect(), folders: folders.iter().map(|f| as_in_events(f)).collect() }
    }

    /// The folders to watch, those of `folders` with what is below them.
    fn watches(&self) -> BTreeMap<PathBuf, RecursiveMode> {
        let parents = self.files.iter().filter_map(|file| file.parent()).map(|folder| (folder.to_owned(), RecursiveMode::NonRecursive));
        parents.chain(self.folders.iter().map(|folder| (folder.clone(), RecursiveMode::Recursive))).collect()
    }

    /// Whether a change there is a change of the configuration.
    fn holds(&self, path: &Path) -> bool {
        // Kubernetes swaps a link named `..data` beside the files that it mounts.
        let swapped = path.file_name().is_some_and(|name| name == "..data");
        swapped || self.files.contains(path) || self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

/// A path as events will name it: absolute, its folder by its one true name. The system has a single
/// watch for a folder, whichever ways lead to it, and would report it under the way asked for last.
fn as_in_events(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent().map(Path::canonicalize), absolute.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

/// Reading a file is an event too, and no change.
fn matters(event: &notify::Event, scope: &Scope) -> bool {
    let changes = !matches!(event.kind, EventKind::Access(_));
    changes && (event.need_rescan() || event.paths.iter().any(|path| scope.holds(path)))
}

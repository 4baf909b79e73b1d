//! Candidate mappings (候选映射), and their shadow run (试跑): what was accepted, read again with the mapping in force and
//! with the candidate, and in what the two differ; then the candidate takes its place or is dropped.
//!
//! A candidate is a folder `candidates/NAME` of the configuration, with a `mapping.toml` and all that belongs to it. It is
//! compiled within the whole configuration, in the place of the folder `NAME` of the first folder of mappings, and its
//! cases are run: what a reload would refuse is known before.
//!
//! A run is one at a time, on a thread of its own, and rests after each body for as long as that took, so that traffic hardly notices.
//! Limits: [`run::EXCHANGES_MAX`], [`run::RECORDS_MAX`], [`run::BODY_BYTES_MAX`], [`compare::DIFFERENCES_KEPT_MAX`]. Runs are
//! kept until the process ends. What records refer to in other flows, and deliveries, are not tried.

pub mod compare;
pub mod folder;
mod judge;
pub mod run;

pub use judge::Candidate;

use crate::domain::{Digest, Name};
use crate::fault::{Fault, FaultCode};
use crate::journal::Journal;
use crate::live::Live;
use crate::seams::SharedClock;
use crate::spool::Spool;
use arc_swap::ArcSwap;
use run::{Run, Span, Standing};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// The candidates of a gateway and their runs.
pub struct Shadow {
    journal: Arc<dyn Journal>,
    live: Arc<ArcSwap<Live>>,
    clock: SharedClock,
    spool: Spool,
    judged: Mutex<BTreeMap<Name, Arc<Candidate>>>,
    runs: Mutex<BTreeMap<Name, Arc<Run>>>,
    place: Arc<Semaphore>,
    /// Held while files are moved.
    moving: tokio::sync::Mutex<()>,
}

/// What lies in the folder of candidates.
pub struct Candidates {
    /// Each of them.
    pub candidates: Vec<Arc<Candidate>>,
    /// Entries that are none, by their names.
    pub ignored: Vec<String>,
}

impl Shadow {
    /// Candidates of the configuration in force, for traffic of this journal.
    pub fn new(journal: Arc<dyn Journal>, live: Arc<ArcSwap<Live>>, clock: SharedClock, spool: Spool) -> Self {
        let place = Arc::new(Semaphore::new(1));
        Self { journal, live, clock, spool, judged: Mutex::default(), runs: Mutex::default(), place, moving: tokio::sync::Mutex::default() }
    }

    /// Every candidate, judged as it lies there now.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub async fn candidates(&self) -> Result<Candidates, Fault> {
        let folder = self.folder();
        let listed = blocking(move || folder::list(&folder)).await?;
        let mut candidates = Vec::new();
        for name in listed.names {
            // Whoever moves it in the meantime leaves nothing to be shown.
            candidates.extend(self.candidate(&name).await.ok());
        }
        self.judged().retain(|name, _| candidates.iter().any(|candidate| candidate.name == *name));
        Ok(Candidates { candidates, ignored: listed.ignored })
    }

    /// One candidate, judged as it lies there now.
    ///
    /// # Errors
    /// [`FaultCode::CandidateUnknown`].
    pub async fn candidate(&self, name: &Name) -> Result<Arc<Candidate>, Fault> {
        let folder = self.folder().join(name.as_str());
        let (base, kept) = (self.live.load_full(), self.judged().get(name).cloned());
        let new = {
            let name = name.clone();
            move || Ok(if folder.is_dir() { Some(Candidate::known_or_judged(kept, &base, name, &folder)) } else { None })
        };
        let candidate = blocking(new).await?.ok_or_else(|| Fault::new(FaultCode::CandidateUnknown))?;
        self.judged().insert(name.clone(), Arc::clone(&candidate));
        Ok(candidate)
    }

    /// The latest run of a candidate.
    pub fn run_of(&self, name: &Name) -> Option<Arc<Run>> {
        self.runs().get(name).cloned()
    }

    /// Begins a run.
    ///
    /// # Errors
    /// A candidate that there is not, that has problems, or another run under way.
    pub async fn start(self: &Arc<Self>, name: &Name, span: Span, by: String) -> Result<Arc<Run>, Fault> {
        let candidate = self.candidate(name).await?;
        let (Some(proposed), Some(digest), true) = (candidate.live.clone(), candidate.digest, candidate.holds()) else {
            return Err(has_problems());
        };
        let place = Arc::clone(&self.place).try_acquire_owned().map_err(|_| not_ready("另有试跑正在进行", "another run is under way"))?;
        let sides = run::Sides { name: name.clone(), live: self.live.load_full(), candidate: proposed };
        let run = Arc::new(Run::new(digest, span, by, self.clock.now()));
        self.runs().insert(name.clone(), Arc::clone(&run));
        let (shadow, running) = (Arc::clone(self), Arc::clone(&run));
        tokio::spawn(async move {
            shadow.replay(&running, sides).await;
            drop(place);
        });
        Ok(run)
    }

    /// Whether a candidate may take its place: it is what was run to the end, and holds.
    ///
    /// # Errors
    /// [`FaultCode::CandidateNotReady`] with the reason.
    pub async fn may_be_promoted(&self, name: &Name, digest: Digest) -> Result<(), Fault> {
        self.is_as_it_was(name, digest).await?;
        let run = self.run_of(name).filter(|run| run.digest == digest && run.state().standing == Standing::Finished);
        run.map(drop).ok_or_else(|| {
            not_ready("此版本的候选没有完成试跑；请先试跑", "this version of the candidate was not run to the end; run it first")
        })
    }

    /// Whether a candidate is byte for byte what it was, and holds.
    ///
    /// # Errors
    /// [`FaultCode::CandidateNotReady`] with the reason.
    pub async fn is_as_it_was(&self, name: &Name, digest: Digest) -> Result<(), Fault> {
        let candidate = self.candidate(name).await?;
        if candidate.digest != Some(digest) {
            return Err(changed());
        }
        if !candidate.holds() {
            return Err(has_problems());
        }
        if self.live.load().config.gateway.mappings.is_empty() {
            return Err(not_ready(
                "没有自有的映射规则目录；请建立 portolan.toml 中 `mappings` 所列的目录",
                "there is no folder of mappings of your own; make the one that `mappings` in portolan.toml names",
            ));
        }
        Ok(())
    }

    /// Puts a candidate in the place of its mapping; the reload that follows takes it up.
    ///
    /// # Errors
    /// Files that cannot be moved, or are not what they were: the mapping before stays.
    pub async fn promote(&self, name: &Name, digest: Digest) -> Result<(), Fault> {
        let _moving = self.moving.lock().await;
        let (folder, mappings) = (self.folder(), self.live.load().config.gateway.mappings.first().cloned());
        let mappings = mappings.ok_or_else(changed)?;
        let (moved, aside) = (name.clone(), self.aside(name));
        blocking(move || folder::promote(&folder, &mappings, &moved, digest, &aside)).await?;
        self.forget(name);
        Ok(())
    }

    /// Puts a candidate aside, where nobody looks for one.
    ///
    /// # Errors
    /// Files that cannot be moved: it stays.
    pub async fn drop_candidate(&self, name: &Name) -> Result<(), Fault> {
        let _moving = self.moving.lock().await;
        let (folder, moved, aside) = (self.folder(), name.clone(), self.aside(name));
        blocking(move || folder::set_aside(&folder, &folder.join(moved.as_str()), &aside)).await?;
        self.forget(name);
        Ok(())
    }

    fn forget(&self, name: &Name) {
        if let Some(run) = self.runs().remove(name) {
            run.cancel();
        }
        self.judged().remove(name);
    }

    /// The name under which something of this name is put aside: no two are the same.
    fn aside(&self, name: &Name) -> String {
        format!("{name}-{}", self.clock.now().as_millisecond())
    }

    fn folder(&self) -> PathBuf {
        self.live.load().config.folder.join(folder::CANDIDATES)
    }

    fn judged(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Candidate>>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works with files on a thread that may be blocked. What the disk refuses is told to the operator in its words.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| Fault::new(FaultCode::Internal).caused_by(error))?;
    done.map_err(|error| {
        Fault::new(FaultCode::Internal).detail(format!("候选文件：{error}"), format!("the candidate's files: {error}")).caused_by(error)
    })
}

fn not_ready(zh: &str, en: &str) -> Fault {
    Fault::new(FaultCode::CandidateNotReady).detail(zh, en)
}

fn has_problems() -> Fault {
    not_ready("候选有问题，或案例不通过", "it has problems, or a case of it fails")
}

fn changed() -> Fault {
    not_ready("候选的文件已不是试跑时的文件", "its files are not those that were run")
}

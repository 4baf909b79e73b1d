//! A gateway's inside without its listeners, and a client that writes requests as they are.

use crate::samples::{TestClock, sample};
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use portolan::config::Config;
use portolan::journal::Journal;
use portolan::journal::alarms::{AlarmChange, AlarmSeverity, AlarmState, AlarmSubject};
use portolan::journal::sqlite::SqliteJournal;
use portolan::lineage::Lineages;
use portolan::live::Live;
use portolan::mapping::Library;
use portolan::metrics::{Exchanged, Metrics};
use portolan::ops::partners::LimitsLeft;
use portolan::ops::status::Ending;
use portolan::ops::{Guard, Health, Lookups, OpsView, Watchers};
use portolan::receipt::Keys;
use portolan::receipt::audit::watch::ChainWatch;
use portolan::seams::Clock;
use portolan::shadow::Shadow;
use portolan::spool::Spool;
use portolan::statement::Statements;
use portolan_contract::Words;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;

/// Pages that are told of changes at once.
pub const PAGES_MAX: usize = 2;

/// The configuration of `docs/example`, a journal with two exchanges, and a clock that stands at
/// 2026-07-01T00:00:00Z.
pub struct World {
    _folder: TempDir,
    pub clock: Arc<TestClock>,
    pub view: Arc<OpsView>,
    /// Destinations that were woken.
    pub woken: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// One exchange of a partner that is configured, and one of another that is not any more.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with a configuration that is changed first.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::new(7));
        let keys = Arc::new(Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap());
        let journal: Arc<dyn Journal> = Arc::new(SqliteJournal::open(&folder.path().join("data"), keys.clone(), clock.clone()).unwrap());
        let mut known = sample(&*clock, "one");
        known.flow = "payment-confirmation".parse().unwrap();
        known.verdict.destinations[0].to = "tax-bureau/payments".parse().unwrap();
        let mut unknown = sample(&*clock, "two");
        unknown.partner = "old-bank".parse().unwrap();
        let metrics = Metrics::new();
        for exchange in [known, unknown] {
            let (outcome, counts) = (exchange.verdict.outcome, exchange.verdict.counts);
            let exchanged = Exchanged { outcome, counts, bytes: 3, took: Duration::from_millis(8), trace_id: &exchange.trace.trace_id() };
            metrics.exchanged(&exchange.partner, &exchange.flow, &exchanged);
            journal.commit(exchange).await.unwrap();
        }
        clock.advance(SignedDuration::from_secs(90));
        let mut config = Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/example")).unwrap();
        config.gateway.operators.deliveries_alone_max = 1;
        change(&mut config);
        let live = Live {
            config: Arc::new(config),
            library: Library::load(&[]).unwrap(),
            flows: BTreeMap::new(),
            queries: BTreeMap::new(),
            reconciliations: BTreeMap::new(),
            xsds: BTreeMap::new(),
        };
        let health = Health::new(clock.now());
        health.serving();
        let woken = Arc::new(Mutex::new(Vec::new()));
        let live = Arc::new(ArcSwap::from_pointee(live));
        let lineages = Lineages {
            journal: Arc::clone(&journal),
            live: Arc::clone(&live),
            places: Arc::new(Semaphore::new(1)),
            mappings: Arc::default(),
        };
        let chain = ChainWatch::new(Arc::clone(&journal), Arc::clone(&keys), clock.clone());
        let statements = Statements { journal: Arc::clone(&journal), live: Arc::clone(&live), keys, clock: clock.clone() };
        let shadow = Shadow::new(Arc::clone(&journal), Arc::clone(&live), clock.clone(), Spool::nowhere());
        let view = OpsView {
            shadow: Arc::new(shadow),
            statements: Arc::new(statements),
            journal,
            metrics: Arc::new(metrics),
            live,
            lineages: Arc::new(lineages),
            clock: clock.clone(),
            pauses: Arc::default(),
            chain: Arc::new(chain),
            guard: Guard::new(&*clock),
            watchers: Watchers::new(PAGES_MAX),
            health: Arc::new(health),
            lookups: Lookups {
                endings: Arc::new(|| vec![ending("2026-07-05T00:00:00Z", 3)]),
                certificates: Arc::new(|| vec![("bank".parse().unwrap(), "CN=bank".to_owned(), "2026-07-05T00:00:00Z".parse().unwrap())]),
                limits: Arc::new(|partner, flow| {
                    let of = |text: &str| flow.map_or_else(|| text.to_owned(), |flow| format!("{text} within {flow}"));
                    (partner.as_str() == "bank").then(|| LimitsLeft { policy: of("policy"), left: of("left") })
                }),
                circuit_open: Box::new(|to| to.place.as_str() == "payments"),
                alarms: Box::new(Arc::default),
                wake: {
                    let woken = Arc::clone(&woken);
                    Box::new(move |to| woken.lock().unwrap().push(to.to_string()))
                },
            },
        };
        Self { _folder: folder, clock, view: Arc::new(view), woken }
    }
}

impl World {
    /// Raises an alarm, as the watch would.
    pub async fn raise(&self, kind: &str, words: Words) {
        let at = self.clock.now();
        let (severity, party) = (AlarmSeverity::Warning, "gateway".to_owned());
        let state = AlarmState { severity, party, words, figures: BTreeMap::new() };
        let opened = AlarmChange::Open { kind: kind.to_owned(), subject: AlarmSubject::default(), state, since: at, at };
        self.view.journal.change_alarms(vec![opened]).await.unwrap();
    }
}

/// A certificate that ends.
pub fn ending(not_after: &str, days_left: i64) -> Ending {
    let not_after: Timestamp = not_after.parse().unwrap();
    Ending { what: Words::new("服务器证书", "the server certificate"), not_after, days_left }
}

/// An answer as it came over the line.
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Fails the case of this name unless the body holds some texts and lacks others, in which `filled` puts what is known
    /// at run time alone.
    pub fn says(&self, name: &str, holds: &[String], lacks: &[String], filled: impl Fn(&str) -> String) {
        for text in holds {
            assert!(self.body.contains(&filled(text)), "{name}: {text:?} is missing in {}", self.body);
        }
        for text in lacks {
            assert!(!self.body.contains(&filled(text)), "{name}: {text:?} is in {}", self.body);
        }
    }
}

/// Sends a head as it is, and reads the answer to the end of the connection.
pub async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) -> Answer {
    ask_with(stream, head, "").await
}

/// The same with a body, whose length is in the head.
pub async fn ask_with(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str, body: &str) -> Answer {
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

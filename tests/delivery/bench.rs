//! Everything around a delivery, for real: a journal in a folder, certificates, receivers, the worker.

use crate::receiver::{Receiver, Server};
use jiff::Timestamp;
use portolan::certs::{Authority, Issued, Names, Usage, Validity};
use portolan::config::{Config, Destination, Gateway, Identity, Listener, OperatorRules, Partner, RequestLimits};
use portolan::delivery::{Attempted, Delivery, Observer, Parts, PushTransport, Render, RenderJob, Rendered, tls};
use portolan::domain::{Chunk, Counts, DestinationId, Digest, ExchangeId, IndexRow, Name, Outcome, Pins, Routed, Stored, Verdict};
use portolan::fault::Fault;
use portolan::journal::acts::{ActRequest, Acted, Deed, NewAct};
use portolan::journal::sqlite::SqliteJournal;
use portolan::journal::{Committed, DeliveryRow, DeliveryState, Journal, NewExchange};
use portolan::receipt::keys::Keys;
use portolan::seams::{Clock, SystemClock, new_id};
use portolan::traces::{TraceContext, Traces};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// A test that waits longer than this has failed; nothing is ever expected to take so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Records from which an exchange is long.
pub const LONG_RECORDS: usize = 1000;

/// The machine's clock, set forward at will.
#[derive(Default)]
pub struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    pub fn forward(&self, minutes: i64) {
        self.0.fetch_add(minutes, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + jiff::SignedDuration::from_mins(self.0.load(Ordering::SeqCst))
    }

    fn random(&self, into: &mut [u8]) {
        SystemClock.random(into);
    }
}

/// Renders the canonical lines as they are, or says "drifted" where a test breaks it.
#[derive(Default)]
pub struct Lines {
    pub drifted: AtomicBool,
}

impl Render for Lines {
    fn render(&self, job: &RenderJob<'_>, output: &mut Vec<u8>) -> Result<Rendered, Fault> {
        assert_eq!(&*(job.pinned)(job.lease.mapping)?, MAPPING, "the pinned mapping is at hand");
        job.records.iter().for_each(|(_, line)| output.extend_from_slice(line));
        if self.drifted.load(Ordering::SeqCst) {
            output.extend_from_slice(b"drifted");
        }
        Ok(Rendered { media_type: "application/x-ndjson".into(), records: job.records.len() as u64, amounts: Default::default() })
    }
}

/// Stands for a mapping's text.
const MAPPING: &str = "name = \"lines\"\n";

/// What metrics would have heard.
#[derive(Default)]
pub struct Heard {
    pub attempts: Mutex<Vec<Attempted>>,
    pub circuit: Mutex<Vec<bool>>,
}

impl Observer for Heard {
    fn attempted(&self, attempted: &Attempted) {
        self.attempts.lock().unwrap().push(attempted.clone());
    }

    fn circuit(&self, _: &DestinationId, open: bool) {
        self.circuit.lock().unwrap().push(open);
    }
}

pub struct Bench {
    folder: tempfile::TempDir,
    authority: Authority,
    client: Issued,
    pub server: Issued,
    pub clock: Arc<ShiftedClock>,
    pub render: Arc<Lines>,
    pub heard: Arc<Heard>,
    pub journal: Arc<SqliteJournal>,
    pub config: watch::Sender<Arc<Config>>,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ShiftedClock::default());
        let mut authority = authority(folder.path().join("ca"));
        let client = issue(&mut authority, "gateway", Usage::Client);
        let server = issue(&mut authority, "receiver", Usage::Server);
        let journal = open(&folder, &clock);
        let config = watch::Sender::new(Arc::new(config(folder.path().to_owned(), Vec::new())));
        Self { folder, authority, client, server, clock, render: Arc::default(), heard: Arc::default(), journal, config }
    }

    /// A receiver with the right certificate.
    pub async fn receiver(&self, protocol: &'static str) -> Receiver {
        self.receiver_at(protocol, 0).await
    }

    /// The same, on a port of its own.
    pub async fn receiver_at(&self, protocol: &'static str, port: u16) -> Receiver {
        self.receiver_as(&self.server, protocol, port).await
    }

    /// A receiver with some certificate.
    pub async fn receiver_as(&self, identity: &Issued, protocol: &'static str, port: u16) -> Receiver {
        Receiver::start(&Server { identity, client_authority: &self.authority.certificate_file(), protocol }, port).await
    }

    /// A receiver that admits nobody whom this bench knows.
    pub async fn closed_receiver(&self, protocol: &'static str) -> Receiver {
        let other = authority(self.folder.path().join("closed-ca"));
        Receiver::start(&Server { identity: &self.server, client_authority: &other.certificate_file(), protocol }, 0).await
    }

    /// A certificate for the same names from an authority that nobody named.
    pub fn stranger(&self) -> Issued {
        issue(&mut authority(self.folder.path().join("other-ca")), "receiver", Usage::Server)
    }

    /// A destination with short waits.
    pub fn destination(&self, id: &str, port: u16) -> Destination {
        Destination {
            id: id.parse().unwrap(),
            url: format!("https://localhost:{port}/in"),
            authorities: vec![self.authority.certificate_file().into()],
            server_keys: Vec::new(),
            identity: None,
            concurrency_max: 4,
            timeout: Duration::from_secs(20),
            retry_first: Duration::from_millis(20),
            retry_max: Duration::from_millis(100),
            give_up_after: Duration::from_secs(86_400),
            circuit_failures: 1000,
            circuit_pause: Duration::from_millis(50),
        }
    }

    /// Puts destinations into the configuration, in place of those before.
    pub fn configure(&self, destinations: impl IntoIterator<Item = Destination>) {
        let mut config = config(self.folder.path().to_owned(), destinations.into_iter().collect());
        let key = self.client.key.clone().unwrap();
        config.gateway.outbound_identity = Some(Identity { chain: self.client.chain.clone().into(), key: key.into() });
        self.config.send_replace(Arc::new(config));
    }

    /// Starts the worker.
    pub fn start(&self) -> Delivery {
        let config = self.config.subscribe();
        let client = move |destination: &Destination| {
            let client = tls::client_config(destination, config.borrow().gateway.outbound_identity.as_ref());
            client.ok().map(Arc::new)
        };
        let parts = Parts {
            journal: self.journal.clone(),
            render: self.render.clone(),
            transport: Arc::new(PushTransport::new(Arc::new(client))),
            clock: self.clock.clone(),
            observer: self.heard.clone(),
            traces: Traces::off(),
        };
        Delivery::start(parts, self.config.subscribe())
    }

    /// Closes the journal and opens it again, as after a crash. The worker must be gone.
    pub async fn reopen(self) -> Self {
        let Self { folder, clock, journal, .. } = self;
        // What the worker's last calls still hold of the journal goes within a moment.
        within(async || Arc::strong_count(&journal) == 1).await;
        drop(journal);
        let journal = open(&folder, &clock);
        Self { folder, clock, journal, ..self }
    }

    /// Commits an exchange of some records to destinations, received so many minutes ago. From
    /// [`LONG_RECORDS`] on it lies in files, and its records go to the destinations in turn.
    pub async fn commit(&self, records: &[&str], to: &[&str], order_key: Option<&str>, minutes_ago: i64) -> ExchangeId {
        let mut exchange = new_exchange(self.clock.as_ref(), records, to, order_key, minutes_ago);
        let id = exchange.id;
        if records.len() >= LONG_RECORDS {
            let verdict = &mut exchange.verdict;
            for (name, stored) in [("canonical", &mut verdict.canonical), ("index", &mut verdict.index)] {
                let (path, bytes) = (self.folder.path().join(name), stored.length());
                let Stored::Inline(content) = &*stored else { unreachable!("made inline") };
                std::fs::write(&path, content).unwrap();
                *stored = Stored::File { path, bytes };
            }
        }
        let committed = self.journal.commit(exchange).await.unwrap();
        assert!(matches!(committed, Committed::New(_)), "{committed:?}");
        id
    }

    /// Changes what is stored, as a damage would.
    pub fn damage(&self, change: &str) {
        let database = rusqlite::Connection::open(self.folder.path().join("journal/journal.db")).unwrap();
        database.execute_batch(change).unwrap();
    }

    /// Does what an operator decides. Returns whether there was anything to do.
    pub async fn act(&self, deed: Deed) -> bool {
        let at = self.clock.now();
        let (reason, request) = ("the office was closed".to_owned(), ActRequest::Do(deed));
        let act = NewAct { operator: None, at, reason, request, deliveries_alone_max: 1, proposal_until: at };
        matches!(self.journal.act(act).await.unwrap(), Acted::Done { .. })
    }

    /// The only delivery of an exchange.
    pub async fn delivery(&self, exchange: ExchangeId) -> DeliveryRow {
        let mut deliveries = self.journal.deliveries(exchange, None, 99).await.unwrap();
        assert_eq!(deliveries.len(), 1);
        deliveries.remove(0)
    }

    /// Waits until the delivery of an exchange stands so.
    pub async fn reaches(&self, exchange: ExchangeId, state: DeliveryState) -> DeliveryRow {
        within(async || self.delivery(exchange).await.state == state).await;
        self.delivery(exchange).await
    }
}

/// Waits until something holds.
pub async fn within(holds: impl AsyncFn() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.expect("what the test waits for does not happen");
}

fn open(folder: &tempfile::TempDir, clock: &Arc<ShiftedClock>) -> Arc<SqliteJournal> {
    let keys = Keys::open_or_create(&folder.path().join("keys"), clock.clone()).unwrap();
    Arc::new(SqliteJournal::open(&folder.path().join("journal"), Arc::new(keys), clock.clone()).unwrap())
}

fn authority(folder: PathBuf) -> Authority {
    let names = Names { common_name: "Test authority".into(), ..Names::default() };
    Authority::create(&folder, &names, Validity::days(SystemClock.now(), 30), 30, &SystemClock).unwrap()
}

fn issue(authority: &mut Authority, name: &str, usage: Usage) -> Issued {
    let names = Names { common_name: name.into(), organization: None, alternative: vec!["localhost".into()] };
    authority.issue(&name.parse().unwrap(), &names, usage, Validity::days(SystemClock.now(), 30), &SystemClock).unwrap()
}

fn new_exchange(clock: &dyn Clock, records: &[&str], to: &[&str], order_key: Option<&str>, minutes_ago: i64) -> NewExchange {
    let id = new_id(clock);
    let (mut canonical, mut index) = (Vec::new(), Vec::new());
    for (row, record) in records.iter().enumerate() {
        let line = format!("{record}\n");
        let row = row as u64;
        let (offset, length) = (canonical.len() as u64, line.len() as u32);
        let destinations = if records.len() < LONG_RECORDS { (1 << to.len()) - 1 } else { 1 << (row % to.len() as u64) };
        index.extend(IndexRow { record: row + 1, offset, length, source_line: 1, destinations, key: [0; 16] }.to_bytes());
        canonical.extend(line.bytes());
    }
    let count = records.len() as u64;
    let chunk = |destination| Chunk { destination, first_row: 0, rows: count, order_key: order_key.map(str::to_owned), repeated_ids: 0 };
    let mapping = Digest::of(MAPPING.as_bytes());
    let pins = Pins { mapping, schema: mapping, flow: mapping };
    let verdict = Verdict {
        outcome: Outcome::Accepted,
        counts: Counts { records: count, accepted: count, ..Counts::default() },
        fault: None,
        findings: Vec::new(),
        findings_left_out: 0,
        message_id: None,
        decoded_digest: Digest::of(&canonical),
        canonical_digest: Digest::of(&canonical),
        canonical: Stored::Inline(canonical.clone().into()),
        index: Stored::Inline(index.into()),
        destinations: to.iter().map(|to| Routed { to: to.parse().unwrap(), mapping }).collect(),
        chunks: (0..to.len() as u8).map(chunk).collect(),
        pins,
        profile: Default::default(),
        tally: Default::default(),
    };
    NewExchange {
        id,
        partner: "bank".parse().unwrap(),
        flow: "payments".parse().unwrap(),
        received_at: clock.now() - jiff::SignedDuration::from_mins(minutes_ago),
        translated_at: clock.now() - jiff::SignedDuration::from_mins(minutes_ago),
        business_day: portolan::schedule::BusinessDay::new("UTC", None),
        idempotency_key: None,
        question: None,
        certificate: Digest::default(),
        corrects: None,
        mapping: "lines".into(),
        key_space: "payment-confirmation".into(),
        content_type: None,
        content_encoding: String::new(),
        trace: TraceContext::kept("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1, "rojo=00f067aa0ba902b7"),
        body_digest: Digest::of(&canonical),
        body: Stored::Inline(canonical.into()),
        verdict,
        answer: None,
        pinned: vec![(mapping, MAPPING.into())],
    }
}

/// A configuration of which deliveries read the destinations alone.
fn config(folder: PathBuf, destinations: Vec<Destination>) -> Config {
    let mut partners = BTreeMap::<Name, Partner>::new();
    for destination in destinations {
        let id = destination.id.partner.clone();
        let partner = partners.entry(id.clone()).or_insert_with(|| Partner {
            id,
            title: portolan_contract::Words::default(),
            certificates: Vec::new(),
            limits: Default::default(),
            destinations: BTreeMap::new(),
        });
        partner.destinations.insert(destination.id.place.clone(), Arc::new(destination));
    }
    let partners = partners.into_iter().map(|(id, partner)| (id, Arc::new(partner))).collect();
    Config {
        gateway: gateway(&folder),
        folder,
        partners,
        flows: BTreeMap::new(),
        calendars: BTreeMap::new(),
        reconciliations: BTreeMap::new(),
        queries: BTreeMap::new(),
        operators: BTreeMap::new(),
        certificate_files: BTreeMap::new(),
    }
}

fn gateway(folder: &std::path::Path) -> Gateway {
    let listener = Listener {
        address: ([127, 0, 0, 1], 0).into(),
        identity: Identity { chain: PathBuf::new().into(), key: PathBuf::new().into() },
        client_authorities: Vec::new(),
        revocation_lists: Vec::new(),
        accept_expired_lists: false,
    };
    let limits = RequestLimits {
        handshake_timeout: PATIENCE,
        header_timeout: PATIENCE,
        body_idle_timeout: PATIENCE,
        body_timeout: PATIENCE,
        connection_age_max: PATIENCE,
        header_bytes_max: 0,
        partner_connections_max: 512,
        partner_submissions_max: 256,
        connections_max: 0,
        stranger_handshakes_per_minute_max: 0,
        body_bytes_max: 0,
        decoded_bytes_max: 0,
        expansion_ratio_max: 0,
        inline_bytes_max: 0,
        free_bytes_min: 0,
        translations_max: 0,
        shutdown_timeout: PATIENCE,
    };
    Gateway {
        partner_listener: listener.clone(),
        operator_listener: listener,
        data: folder.to_owned(),
        mappings: Vec::new(),
        outbound_identity: None,
        expiry_warning_days: Vec::new(),
        operators: OperatorRules { unlisted_may_read: false, deliveries_alone_max: 1, proposal_span: PATIENCE },
        limits,
        alarms: alarms(),
        traces: None,
    }
}

/// Those of the example: nothing here is judged by them.
fn alarms() -> portolan::config::Alarms {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/example");
    Config::load(&example).unwrap().gateway.alarms
}

//! Configuration: raw TOML files in, a checked [`Config`] out, or every problem with file and line.
//!
//! A configuration is a folder: `portolan.toml`, `partners/NAME.toml`, `flows/NAME.toml`,
//! `queries/NAME.toml`, `operators/NAME.toml`, and the mappings and canonical schemas that the flows name. What is here is what the other modules see;
//! the raw forms, from which the reference documentation is generated, are in `raw.rs`.

pub mod alarms;
mod load;
mod named_file;
mod page;
mod raw;
pub mod reconciliation;
pub mod recovery;
mod reference;
pub mod watch;

pub use alarms::Alarms;
pub use load::reconciliation::{KEY_PARTS_MAX, LEGS_MAX, RECONCILIATIONS_MAX};
pub use load::{
    CERTIFICATES_PER_PARTNER_MAX, DESTINATIONS_PER_PARTNER_MAX, Draft, FILES_PER_FOLDER_MAX, GatewayDraft, ListenerDraft,
    MAPPINGS_PER_SENDER_MAX, TEXT_CHARS_MAX,
};
pub use named_file::NamedFile;
pub use page::FILE_BYTES_MAX;
pub use reconciliation::{Leg, Reconciliation};
pub use recovery::PROBLEMS_PER_FILE_MAX;
pub use reference::reference;
pub use watch::Reloads;

use crate::domain::{DestinationId, Digest, FlowId, Name, PartnerId, Role, Severity};
use crate::schedule::{BusinessDay, Calendar, Schedule};
use jiff::civil::Time;
use portolan_contract::Words;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The zone of a flow that names none.
pub use crate::schedule::day::ZONE_DEFAULT;

/// A checked configuration. Replaced whole at a reload, never changed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// The gateway itself.
    pub gateway: Gateway,
    /// Every partner.
    pub partners: BTreeMap<PartnerId, Arc<Partner>>,
    /// Every flow.
    pub flows: BTreeMap<FlowId, Arc<Flow>>,
    /// Calendars of working days, by name.
    pub calendars: BTreeMap<Name, Calendar>,
    /// Every query service.
    pub queries: BTreeMap<Name, Arc<Query>>,
    /// Reconciliations by name.
    pub reconciliations: BTreeMap<Name, Arc<Reconciliation>>,
    /// Every operator.
    pub operators: BTreeMap<Name, Arc<Operator>>,
    /// The certificate files that partners' and operators' files name, and who shows each.
    pub certificate_files: BTreeMap<PathBuf, CertificateHolder>,
}

/// Who shows a certificate that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateHolder {
    /// A partner.
    Partner(PartnerId),
    /// An operator.
    Operator(Name),
}

/// The gateway's own settings (`portolan.toml`).
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where partners connect.
    pub partner_listener: Listener,
    /// Where operators connect; loopback only unless configured.
    pub operator_listener: Listener,
    /// The folder of the journal, its spool and its keys.
    pub data: PathBuf,
    /// Folders of mappings, searched in order; the built-in ones come last.
    pub mappings: Vec<PathBuf>,
    /// Client identity towards receivers, unless a destination names another: PEM chain and key.
    pub outbound_identity: Option<Identity>,
    /// How many days before its end a certificate is warned of, longest first (60, 30, 7).
    pub expiry_warning_days: Vec<u32>,
    /// What holds for all operators.
    pub operators: OperatorRules,
    /// Limits that hold for every request.
    pub limits: RequestLimits,
    /// Alarms.
    pub alarms: Alarms,
    /// Where traces are sent, if any are made.
    pub traces: Option<Arc<TraceSettings>>,
}

impl Gateway {
    /// The keys whose values differ and that are read at the start alone.
    pub fn keys_for_next_start(&self, new: &Self) -> Vec<&'static str> {
        let (limits, next) = (&self.limits, &new.limits);
        let differs = [
            ("data", self.data != new.data),
            ("partner_listener.address", self.partner_listener.address != new.partner_listener.address),
            ("operator_listener.address", self.operator_listener.address != new.operator_listener.address),
            ("limits.handshake_timeout_ms", limits.handshake_timeout != next.handshake_timeout),
            ("limits.header_timeout_ms", limits.header_timeout != next.header_timeout),
            ("limits.connection_age_ms_max", limits.connection_age_max != next.connection_age_max),
            ("limits.header_bytes_max", limits.header_bytes_max != next.header_bytes_max),
            ("limits.connections_max", limits.connections_max != next.connections_max),
            ("limits.inline_bytes_max", limits.inline_bytes_max != next.inline_bytes_max),
            ("limits.free_bytes_min", limits.free_bytes_min != next.free_bytes_min),
            ("limits.translations_max", limits.translations_max != next.translations_max),
            ("traces", self.traces != new.traces),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// What holds for all operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorRules {
    /// Whoever the operators' authorities vouch for may look, although no file lists it.
    pub unlisted_may_read: bool,
    /// Deliveries that one operator may resend or waive at once; for more, a second one must approve.
    pub deliveries_alone_max: u64,
    /// How long a proposal waits for the second operator.
    pub proposal_span: Duration,
}

/// An operator (`operators/NAME.toml`).
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its name: the file's.
    pub name: Name,
    /// Its title in both languages.
    pub title: Words,
    /// What it may do.
    pub role: Role,
    /// The certificates it may come with.
    pub certificates: Vec<CertificateMatch>,
}

/// How traces are made and where they are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// `https://…` to which spans are posted, or `http://…` on this machine.
    pub endpoint: String,
    /// PEM files of the authorities that the collector's certificate must chain to.
    pub authorities: Vec<NamedFile>,
    /// Client identity to present.
    pub identity: Option<Identity>,
    /// `service.name`.
    pub service_name: String,
    /// Share that is recorded of the traces that begin here, from 0 to 1.
    pub sampled_share: f64,
    /// Spans that wait to be sent.
    pub queue_spans_max: usize,
    /// Spans sent at once.
    pub batch_spans_max: usize,
    /// Longest time that a span waits for others.
    pub batch_wait: Duration,
    /// Time for the collector to take a batch.
    pub timeout: Duration,
}

/// One listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
    /// The server's certificate chain and key.
    pub identity: Identity,
    /// PEM files of the authorities that client certificates must chain to.
    pub client_authorities: Vec<NamedFile>,
    /// PEM or DER files of revocation lists. With any given, every authority needs one.
    pub revocation_lists: Vec<NamedFile>,
    /// Accept a certificate although its authority's list is out of date.
    pub accept_expired_lists: bool,
}

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain, leaf first.
    pub chain: NamedFile,
    /// The key (PKCS#8 or SEC1); readable by the owner alone.
    pub key: NamedFile,
}

/// Limits that hold for every request, whoever calls.
#[derive(Clone, Debug)]
pub struct RequestLimits {
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for the header section.
    pub header_timeout: Duration,
    /// Longest time without a byte of the body.
    pub body_idle_timeout: Duration,
    /// Longest time for a whole body.
    pub body_timeout: Duration,
    /// Age at which a connection is asked to close.
    pub connection_age_max: Duration,
    /// Bytes of a header section.
    pub header_bytes_max: usize,
    /// Connections open at once, per listener.
    pub connections_max: usize,
    /// Connections of one partner open at once.
    pub partner_connections_max: usize,
    /// Submissions of one partner under way at once.
    pub partner_submissions_max: usize,
    /// Handshakes per minute from one /24 or /64 before identity is known.
    pub stranger_handshakes_per_minute_max: u32,
    /// Bytes of a body as received.
    pub body_bytes_max: u64,
    /// Bytes of a body after content decoding.
    pub decoded_bytes_max: u64,
    /// Decoded bytes for each received byte.
    pub expansion_ratio_max: u64,
    /// Bodies up to this stay in memory and inline in the journal.
    pub inline_bytes_max: usize,
    /// Bytes kept free on the data folder's disk.
    pub free_bytes_min: u64,
    /// Bodies being translated at once.
    pub translations_max: usize,
    /// Time for what is in flight to end at shutdown.
    pub shutdown_timeout: Duration,
}

/// A partner (`partners/NAME.toml`).
#[derive(Clone, Debug)]
pub struct Partner {
    /// Its name: the file's.
    pub id: PartnerId,
    /// Its title in both languages.
    pub title: Words,
    /// The certificates it may call with; two at once so that rotation has no gap.
    pub certificates: Vec<CertificateMatch>,
    /// Its limits over all flows.
    pub limits: Limits,
    /// Where it receives.
    pub destinations: BTreeMap<Name, Arc<Destination>>,
}

/// How a certificate is recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateMatch {
    /// By SHA-256 of its public key (SubjectPublicKeyInfo, DER).
    Key(Digest),
    /// By its issuer's key in the verified chain, and its name.
    Issued {
        /// SHA-256 of the issuer's SubjectPublicKeyInfo.
        issuer_key: Digest,
        /// Exact subject (RFC 4514 text), if asked for.
        subject: Option<String>,
        /// A DNS name, e-mail address or URI that must be among its alternative names, if asked for.
        alternative_name: Option<String>,
    },
}

/// Token buckets; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests.
    pub requests: Option<Rate>,
    /// Bytes as received.
    pub bytes: Option<Rate>,
    /// Records, charged after translation.
    pub records: Option<Rate>,
    /// Records of one body; beyond it is 413. A partner always has it.
    pub records_per_body_max: Option<u64>,
}

/// So many a second, with a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units a second, at least 1.
    pub per_second: u64,
    /// Units at once, at least `per_second`.
    pub burst: u64,
}

/// One place where a partner receives.
#[derive(Clone, Debug)]
pub struct Destination {
    /// `partner/place`.
    pub id: DestinationId,
    /// `https://…` to which deliveries are posted.
    pub url: String,
    /// PEM files of the authorities that its server certificate must chain to.
    pub authorities: Vec<NamedFile>,
    /// SHA-256 of its server's public key; any of them. Empty = the chain and name decide alone.
    pub server_keys: Vec<Digest>,
    /// Client identity to present, if not the gateway's own.
    pub identity: Option<Identity>,
    /// Deliveries under way at once.
    pub concurrency_max: usize,
    /// Time for one attempt.
    pub timeout: Duration,
    /// First wait after a failure; doubled each time, with jitter.
    pub retry_first: Duration,
    /// Longest wait.
    pub retry_max: Duration,
    /// Span after which a delivery that was never acknowledged becomes a dead letter.
    pub give_up_after: Duration,
    /// Failures in a row that open the circuit.
    pub circuit_failures: u32,
    /// How long an open circuit waits before one attempt is let through.
    pub circuit_pause: Duration,
}

/// A flow (`flows/NAME.toml`).
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its name: the file's.
    pub id: FlowId,
    /// Its title in both languages.
    pub title: Words,
    /// The canonical record, `NAME.vN`.
    pub canonical: String,
    /// Who may send it, with which mappings.
    pub senders: BTreeMap<PartnerId, Sender>,
    /// What one bad record means.
    pub on_invalid: OnInvalid,
    /// IANA time zone of dates and times without one.
    pub zone: String,
    /// The time at which its next business day begins; `None` is midnight.
    pub cut_off: Option<Time>,
    /// Where its records go.
    pub routes: Vec<Route>,
    /// Whether deliveries keep an order.
    pub order: Order,
    /// Messages of another flow that its records refer to.
    pub reference: Option<Reference>,
    /// Time from an exchange's receipt within which its deliveries are to be acknowledged.
    pub promise: Option<Duration>,
    /// Records of one delivery.
    pub delivery_records_max: u64,
    /// Bytes of canonical records of one delivery.
    pub delivery_bytes_max: u64,
    /// Findings kept of one record.
    pub findings_per_record_max: usize,
    /// Findings kept of one body.
    pub findings_per_body_max: usize,
    /// The file's text: pinned by its digest at each commit.
    pub text: Arc<str>,
    /// Digest of the text.
    pub digest: Digest,
}

impl Flow {
    /// How its days are told apart.
    pub fn business_day(&self) -> BusinessDay {
        BusinessDay::new(&self.zone, self.cut_off)
    }
}

/// One sender of a flow.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Names of the mappings it may send with; the first is used unless the request names another.
    pub mappings: Vec<String>,
    /// The mapping that it is answered with; JSON where there is none.
    pub answer: Option<String>,
    /// Its limits within this flow.
    pub limits: Limits,
    /// What it is expected to send, and when.
    pub schedule: Option<Schedule>,
}

/// What one bad record means for its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnInvalid {
    /// The whole body is refused.
    RefuseBody,
    /// That record is refused.
    RefuseRecord,
}

/// The order of deliveries to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// None.
    None,
    /// One after the other for each sender.
    Sender,
    /// One after the other for each value of this canonical path.
    Key(String),
}

/// Messages or records of another flow that a flow's records refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The other flow.
    pub flow: FlowId,
    /// The canonical path that holds the other message's id, or tells the other record.
    pub field: String,
    /// Canonical paths of the other record's business key, each with the one that holds it here; none for a message.
    pub key: Vec<(String, String)>,
    /// What a reference to nothing known is; an error refuses the body.
    pub unknown: Severity,
}

/// One destination of a flow.
#[derive(Clone, Debug)]
pub struct Route {
    /// Where to.
    pub to: DestinationId,
    /// The mapping to render with.
    pub mapping: String,
    /// A CEL condition over `record`; absent = every record.
    pub when: Option<String>,
}

/// A query service (`queries/NAME.toml`).
#[derive(Clone, Debug)]
pub struct Query {
    /// Its name: the file's.
    pub service: Name,
    /// Its title in both languages.
    pub title: Words,
    /// The flow of its questions.
    pub question: FlowId,
    /// The flow of its answers.
    pub answer: FlowId,
    /// Who is asked, and where.
    pub provider: DestinationId,
    /// The mapping that a question is rendered with.
    pub mapping: String,
    /// How long an answer may be given again, and kept.
    pub answer_lifetime: Duration,
    /// Path of the canonical answer at which it states its own end.
    pub answer_valid_until: Option<String>,
    /// Paths at which an answer has the values of its question.
    pub answer_repeats: Vec<String>,
    /// Questions under way at once.
    pub concurrency_max: usize,
    /// Those of them that one asker may have.
    pub concurrency_per_asker_max: usize,
    /// Who asks, and the mapping that an answer is rendered with for each.
    pub askers: BTreeMap<PartnerId, String>,
    /// The file's text, for the places of problems.
    pub text: Arc<str>,
}

/// One problem of a configuration or a mapping: where, what, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1; 0 where there are no lines: for a folder, or a file that cannot be read.
    pub line: usize,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}

//! The configuration as it is written: one type for each TOML table.
//!
//! The reference in `docs/configuration.md` is generated from these types, their comments and their
//! defaults; so a comment here is read by operators. Wire format: TOML 1.1, UTF-8; a key that no type
//! has is refused. Times are whole milliseconds or hours, sizes whole bytes, as the key's name says.
//! What a value must be beyond its type is checked in `load.rs`.

mod alarms;
mod reconciliation;
mod traces;

pub use alarms::{RawAlarms, RawEvery, RawHold, RawOnHoliday, RawQuiet, RawSchedule, RawWebhook, RawWeekday};
pub use reconciliation::{RawKeyPart, RawLeg, RawReconciliation};
pub use traces::RawTraces;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::path::PathBuf;

/// The gateway itself.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawGateway {
    /// Where partners connect. The usual address is `0.0.0.0:8443`.
    #[schemars(extend("x-required" = true))]
    pub partner_listener: Option<At<RawListener>>,
    /// Where operators connect, with certificates of their own authority. Keep it on loopback
    /// (`127.0.0.1:8444`) unless operators really come from elsewhere.
    #[schemars(extend("x-required" = true))]
    pub operator_listener: Option<At<RawListener>>,
    /// Folder of the journal, of bodies being received and of the signing keys. It must be on a local
    /// disk and must not be the configuration folder itself.
    pub data: At<PathBuf>,
    /// Folders of mappings, canonical schemas and adapters from outside (`adapters/NAME.wasm`), searched in
    /// order; the built-in ones come last.
    pub mappings: At<Vec<PathBuf>>,
    /// Client identity towards receivers, for destinations that name none of their own.
    pub outbound_identity: Option<At<RawIdentity>>,
    /// How many days before its end a certificate is warned of.
    pub expiry_warning_days: Vec<NonZeroU32>,
    /// What holds for all operators; who they are stands in `operators/NAME.toml`.
    pub operators: RawOperators,
    /// Limits that hold for every request.
    pub limits: At<RawRequestLimits>,
    /// When alarms are raised, when they are told of, and to whom.
    pub alarms: At<RawAlarms>,
    /// Traces (链路追踪) for OpenTelemetry, sent to a collector as OTLP, protobuf over HTTP; none are made without this table.
    /// It is read at the start alone.
    pub traces: Option<At<RawTraces>>,
}

impl Default for RawGateway {
    fn default() -> Self {
        Self {
            partner_listener: None,
            operator_listener: None,
            data: At::default_value("data".into()),
            mappings: At::default_value(vec!["mappings".into()]),
            outbound_identity: None,
            expiry_warning_days: vec![count(60), count(30), count(7)],
            operators: RawOperators::default(),
            limits: At::default_value(RawRequestLimits::default()),
            alarms: At::default_value(RawAlarms::default()),
            traces: None,
        }
    }
}

/// What holds for all operators.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawOperators {
    /// Whoever has a certificate of the operators' authorities may look, although no file lists it. Nobody who is not
    /// listed ever changes anything.
    pub unlisted_may_read: bool,
    /// Deliveries that one operator may resend or waive at once; for more, a second one must approve.
    pub deliveries_alone_max: u32,
    /// Hours for which a proposal waits for the second operator.
    pub proposal_hours: NonZeroU32,
}

impl Default for RawOperators {
    fn default() -> Self {
        Self { unlisted_may_read: false, deliveries_alone_max: 100, proposal_hours: count(24) }
    }
}

/// An operator (操作员): a person, or a program such as a collector of metrics. The file's name is the operator's
/// name, by which its acts are kept.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawOperator {
    /// What people call it.
    #[schemars(extend("x-required" = true))]
    pub title: Option<At<RawWords>>,
    /// What it may do.
    pub role: RawRole,
    /// The certificates that it comes with, recognised like those of partners; at least one.
    #[schemars(extend("x-required" = true))]
    pub certificate: Vec<At<RawCertificate>>,
}

/// What an operator may do; each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawRole {
    /// Look.
    #[default]
    Read,
    /// Resend and waive deliveries, pause and resume.
    Operate,
    /// Everything.
    Administer,
}

/// One listener.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawListener {
    /// Address and port, such as `127.0.0.1:8443` or `[::]:8443`.
    #[schemars(extend("x-required" = true))]
    pub address: Option<At<String>>,
    /// The server's certificate chain and key.
    #[schemars(extend("x-required" = true))]
    pub identity: Option<At<RawIdentity>>,
    /// PEM files of the authorities that client certificates must chain to; at least one.
    #[schemars(extend("x-required" = true))]
    pub client_authorities: Vec<At<PathBuf>>,
    /// PEM or DER files of revocation lists. With any given, every authority in a chain needs one.
    pub revocation_lists: Vec<At<PathBuf>>,
    /// Accept a certificate although its authority's revocation list is out of date.
    pub accept_expired_lists: bool,
}

/// A certificate chain and its private key.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawIdentity {
    /// PEM file of the chain, leaf first.
    #[schemars(extend("x-required" = true))]
    pub chain: Option<At<PathBuf>>,
    /// PEM file of the private key (PKCS#8 or SEC1), readable by the owner alone.
    #[schemars(extend("x-required" = true))]
    pub key: Option<At<PathBuf>>,
}

/// Limits that hold for every request, whoever calls.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRequestLimits {
    /// Time for a TLS handshake.
    pub handshake_timeout_ms: NonZeroU32,
    /// Time for the header section of a request.
    pub header_timeout_ms: NonZeroU32,
    /// Longest time without a byte of the body.
    pub body_idle_timeout_ms: NonZeroU32,
    /// Longest time for a whole body.
    pub body_timeout_ms: NonZeroU32,
    /// Age at which a connection is asked to close, so that no connection outlives a change of trust for long.
    pub connection_age_ms_max: NonZeroU32,
    /// Bytes of a header section.
    pub header_bytes_max: NonZeroU32,
    /// Connections open at once, for each listener.
    pub connections_max: NonZeroU32,
    /// Connections of one partner open at once; a further one is closed after its handshake.
    pub partner_connections_max: NonZeroU32,
    /// Submissions of one partner under way at once, from admission to answer; a further one is told to come back.
    pub partner_submissions_max: NonZeroU32,
    /// Handshakes a minute from one /24 (IPv4) or /64 (IPv6) before the caller is known.
    pub stranger_handshakes_per_minute_max: NonZeroU32,
    /// Bytes of a body as received.
    pub body_bytes_max: At<NonZeroU64>,
    /// Bytes of a body after content decoding.
    pub decoded_bytes_max: NonZeroU64,
    /// Decoded bytes for each received byte.
    pub expansion_ratio_max: NonZeroU64,
    /// Bodies up to this many bytes stay in memory and inside the journal; larger ones go to a spool file.
    pub inline_bytes_max: At<NonZeroU32>,
    /// Bytes kept free on the data folder's disk: with fewer, submissions are refused (507), so that deliveries can still be recorded.
    pub free_bytes_min: NonZeroU64,
    /// Bodies being translated at once.
    pub translations_max: NonZeroU32,
    /// Time for what is in flight to end at shutdown.
    pub shutdown_timeout_ms: NonZeroU32,
}

impl Default for RawRequestLimits {
    fn default() -> Self {
        Self {
            handshake_timeout_ms: count(10_000),
            header_timeout_ms: count(10_000),
            body_idle_timeout_ms: count(30_000),
            body_timeout_ms: count(30 * 60_000),
            connection_age_ms_max: count(60 * 60_000),
            header_bytes_max: count(32 << 10),
            connections_max: count(20_000),
            partner_connections_max: count(512),
            partner_submissions_max: count(256),
            stranger_handshakes_per_minute_max: count(600),
            body_bytes_max: At::default_value(large(4 << 30)),
            decoded_bytes_max: large(8 << 30),
            expansion_ratio_max: large(200),
            inline_bytes_max: At::default_value(count(64 << 10)),
            free_bytes_min: large(512 << 20),
            translations_max: count(2),
            shutdown_timeout_ms: count(30_000),
        }
    }
}

/// A partner (接入单位). The file's name is the partner's name.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawPartner {
    /// What people call it.
    #[schemars(extend("x-required" = true))]
    pub title: Option<At<RawWords>>,
    /// The certificates that it may call with; a second one leaves no gap while keys are rotated. A
    /// partner that only receives has none.
    pub certificate: Vec<At<RawCertificate>>,
    /// Limits over all flows together.
    pub limits: RawLimits,
    /// The places where it receives, each under a name of its own.
    pub destination: BTreeMap<String, At<RawDestination>>,
}

/// A title in both languages.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawWords {
    /// In Chinese.
    #[schemars(extend("x-required" = true))]
    pub zh: Option<At<String>>,
    /// In English.
    #[schemars(extend("x-required" = true))]
    pub en: Option<At<String>>,
}

/// How a certificate is recognised: by exactly one of `key_sha256`, `file` and `issuer_key_sha256`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawCertificate {
    /// SHA-256 of its public key (SubjectPublicKeyInfo, DER), as 64 lower-case hexadecimal digits.
    pub key_sha256: Option<At<String>>,
    /// PEM file of the certificate, from which the digest of the key is read.
    pub file: Option<At<PathBuf>>,
    /// SHA-256 of the public key of its issuer in the verified chain; with `subject`, `alternative_name` or both.
    pub issuer_key_sha256: Option<At<String>>,
    /// With `issuer_key_sha256`: the exact subject, as RFC 4514 writes it.
    pub subject: Option<At<String>>,
    /// With `issuer_key_sha256`: a DNS name, e-mail address or URI among its alternative names.
    pub alternative_name: Option<At<String>>,
}

/// Token buckets. A rate that is absent is not limited.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawLimits {
    /// Requests.
    pub requests: Option<At<RawRate>>,
    /// Bytes, as received.
    pub bytes: Option<At<RawRate>>,
    /// Records, charged after translation as a debt on the next request.
    pub records: Option<At<RawRate>>,
    /// Records of one body; a body with more is refused. Absent, it is 20000000 for a partner, and
    /// within a flow as much as the partner has.
    pub records_per_body_max: Option<NonZeroU64>,
}

/// So many a second, with a burst.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRate {
    /// Units a second, in the long run.
    #[schemars(extend("x-required" = true))]
    pub per_second: Option<NonZeroU64>,
    /// Units at once; at least `per_second`, and as much when absent.
    pub burst: Option<At<NonZeroU64>>,
}

/// One place where a partner receives.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawDestination {
    /// Address to which deliveries are posted: `https://HOST[:PORT]/PATH`.
    #[schemars(extend("x-required" = true))]
    pub url: Option<At<String>>,
    /// PEM files of the authorities that its server certificate must chain to; at least one.
    #[schemars(extend("x-required" = true))]
    pub authorities: Vec<At<PathBuf>>,
    /// SHA-256 digests of its server's public key, of which one must match. Empty: chain and host name decide alone.
    pub server_keys_sha256: Vec<At<String>>,
    /// Client identity to present, instead of the gateway's `outbound_identity`.
    pub identity: Option<At<RawIdentity>>,
    /// Deliveries under way at once.
    pub concurrency_max: NonZeroU32,
    /// Time for one attempt.
    pub timeout_ms: NonZeroU32,
    /// First wait after a failure; doubled after each further one, with jitter.
    pub retry_first_ms: At<NonZeroU32>,
    /// Longest wait between two attempts; at least `retry_first_ms`.
    pub retry_ms_max: At<NonZeroU32>,
    /// Hours after which a delivery that was never acknowledged becomes a dead letter (投递失败待处理), counted from when it could first be made or was resent.
    pub give_up_after_hours: NonZeroU32,
    /// Failures in a row that open the circuit: nothing is sent for a while.
    pub circuit_failures: NonZeroU32,
    /// How long an open circuit waits before one attempt is let through.
    pub circuit_pause_ms: NonZeroU32,
}

impl Default for RawDestination {
    fn default() -> Self {
        Self {
            url: None,
            authorities: Vec::new(),
            server_keys_sha256: Vec::new(),
            identity: None,
            concurrency_max: count(4),
            timeout_ms: count(30_000),
            retry_first_ms: At::default_value(count(1_000)),
            retry_ms_max: At::default_value(count(10 * 60_000)),
            give_up_after_hours: count(72),
            circuit_failures: count(5),
            circuit_pause_ms: count(30_000),
        }
    }
}

/// A flow (交换业务). The file's name is the flow's name.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawFlow {
    /// What people call it.
    #[schemars(extend("x-required" = true))]
    pub title: Option<At<RawWords>>,
    /// The canonical record (标准记录) that it carries, as `NAME.vN`.
    #[schemars(extend("x-required" = true))]
    pub canonical: Option<At<String>>,
    /// Who may send it, each under the partner's name.
    #[schemars(extend("x-required" = true))]
    pub sender: BTreeMap<String, At<RawSender>>,
    /// What one bad record means for its body.
    pub on_invalid: RawOnInvalid,
    /// IANA time zone of dates and times that are written without one.
    pub zone: At<String>,
    /// The time of day at which the next business day of its daily statements (日对账单) begins, as `HH:MM` in `zone`;
    /// midnight unless given. A change holds for what comes from then on.
    pub cut_off: Option<At<String>>,
    /// Where its records go. A record goes to every route whose condition holds.
    pub route: Vec<At<RawRoute>>,
    /// The order of deliveries to one destination.
    pub order: At<RawOrder>,
    /// Messages of another flow that its records refer to, such as those that answers answer.
    pub reference: Option<At<RawReference>>,
    /// What every sender is expected to send, and when; absent, nothing in particular.
    pub schedule: Option<At<RawSchedule>>,
    /// Milliseconds from the receipt of an exchange within which its deliveries are to be acknowledged, as receivers
    /// were promised; an alarm is raised while one in twenty takes longer.
    pub promise_ms: Option<NonZeroU64>,
    /// Records of one delivery.
    pub delivery_records_max: NonZeroU64,
    /// Bytes of canonical records of one delivery.
    pub delivery_bytes_max: NonZeroU64,
    /// Findings (校验问题) kept of one record.
    pub findings_per_record_max: At<NonZeroU32>,
    /// Findings kept of one body.
    pub findings_per_body_max: At<NonZeroU32>,
}

impl Default for RawFlow {
    fn default() -> Self {
        Self {
            title: None,
            canonical: None,
            sender: BTreeMap::new(),
            on_invalid: RawOnInvalid::RefuseRecord,
            zone: At::default_value(super::ZONE_DEFAULT.to_owned()),
            cut_off: None,
            route: Vec::new(),
            order: At::default_value(RawOrder::None),
            reference: None,
            schedule: None,
            promise_ms: None,
            delivery_records_max: large(1_000),
            delivery_bytes_max: large(4 << 20),
            findings_per_record_max: At::default_value(count(20)),
            findings_per_body_max: At::default_value(count(1_000)),
        }
    }
}

/// One sender of a flow.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawSender {
    /// Names of the mappings that it may send with; the first is used unless the request names another.
    #[schemars(extend("x-required" = true))]
    pub mappings: Vec<At<String>>,
    /// The mapping of `exchange-answer.v1` that it is answered with, such as `contrl`; JSON unless given,
    /// whenever the request accepts `application/json`, and where the body does not say what the answer must repeat of it, such
    /// as an interchange without a readable UNB.
    pub answer: Option<At<String>>,
    /// Limits within this flow, besides the partner's own.
    pub limits: RawLimits,
    /// What this sender is expected to send, and when, in the place of the flow's own `schedule`.
    pub schedule: Option<At<RawSchedule>>,
}

/// What one bad record means for its body.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
pub enum RawOnInvalid {
    /// The whole body is refused; right where a body carries control totals.
    #[serde(rename = "refuse body")]
    RefuseBody,
    /// That record is refused, the others are taken in.
    #[serde(rename = "refuse record")]
    RefuseRecord,
}

/// The order of deliveries to one destination.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawOrder {
    /// As they come.
    None,
    /// One after the other for each sender.
    Sender,
    /// One after the other for each value of this path of the canonical record.
    Key(String),
}

/// What a flow's records refer to: messages of another flow, or with `key` its records, those of the flow itself too. A message is
/// known once a body with its id had something accepted, a record once it was accepted, whoever sent it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawReference {
    /// The other flow.
    #[schemars(extend("x-required" = true))]
    pub flow: Option<At<String>>,
    /// The path of the canonical record that holds the other message's id, or tells the other record; one without it refers to nothing.
    #[schemars(extend("x-required" = true))]
    pub field: Option<At<String>>,
    /// The business key of the other record, each value of it; absent, what is referred to is a message.
    pub key: Vec<At<RawReferenceKey>>,
    /// What a reference to nothing known is.
    pub unknown: RawUnknown,
}

impl Default for RawReference {
    fn default() -> Self {
        Self { flow: None, field: None, key: Vec::new(), unknown: RawUnknown::Warning }
    }
}

/// One value of the business key of the record that is referred to.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawReferenceKey {
    /// Its path in the other record.
    #[schemars(extend("x-required" = true))]
    pub theirs: Option<At<String>>,
    /// The path of the canonical record that holds it here.
    #[schemars(extend("x-required" = true))]
    pub ours: Option<At<String>>,
}

/// What a reference to nothing known is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawUnknown {
    /// The record stands.
    Warning,
    /// The body is refused.
    Error,
}

/// One route of a flow.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRoute {
    /// The destination, as `PARTNER/PLACE`.
    #[schemars(extend("x-required" = true))]
    pub to: Option<At<String>>,
    /// The mapping to render with.
    #[schemars(extend("x-required" = true))]
    pub mapping: Option<At<String>>,
    /// A CEL condition over `record`; absent, every record goes there.
    pub when: Option<At<String>>,
}

/// A query (查询服务): a bank asks, a provider answers at once, and both are kept as exchanges. The file's name is the
/// name of the service.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawQuery {
    /// What people call it.
    #[schemars(extend("x-required" = true))]
    pub title: Option<At<RawWords>>,
    /// The flow of its questions: its senders may ask, with its mappings and within its limits. It has no routes.
    #[schemars(extend("x-required" = true))]
    pub question: Option<At<String>>,
    /// The flow of its answers: its one sender is the provider, whose first mapping reads them. It has no routes.
    #[schemars(extend("x-required" = true))]
    pub answer: Option<At<String>>,
    /// The destination that is asked, as `PARTNER/PLACE`; its timeout is the time for an answer.
    #[schemars(extend("x-required" = true))]
    pub provider: Option<At<String>>,
    /// The mapping that a question is rendered with for the provider.
    #[schemars(extend("x-required" = true))]
    pub mapping: Option<At<String>>,
    /// Seconds for which an answer may be given again to a repeat of its question, and kept by whoever asked. 0: it is
    /// given once and kept by nobody.
    pub answer_lifetime_s: u32,
    /// Path of the canonical answer at which it says itself how long it holds: it lives no longer than that.
    pub answer_valid_until: Option<At<String>>,
    /// Paths at which an answer must have the values of its question, so that nobody is given what is about another.
    pub answer_repeats: Vec<At<String>>,
    /// Questions under way at once, of all who ask.
    pub concurrency_max: NonZeroU32,
    /// Questions under way at once of one who asks, so that none takes the places of all others.
    pub concurrency_per_asker_max: NonZeroU32,
    /// Who asks, each under the partner's name: every sender of the questions' flow.
    #[schemars(extend("x-required" = true))]
    pub asker: BTreeMap<String, At<RawAsker>>,
}

impl Default for RawQuery {
    fn default() -> Self {
        Self {
            title: None,
            question: None,
            answer: None,
            provider: None,
            mapping: None,
            answer_lifetime_s: 0,
            answer_valid_until: None,
            answer_repeats: Vec::new(),
            concurrency_max: count(32),
            concurrency_per_asker_max: count(8),
            asker: BTreeMap::new(),
        }
    }
}

/// One who asks.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAsker {
    /// The mapping that answers are rendered with for it.
    #[schemars(extend("x-required" = true))]
    pub mapping: Option<At<String>>,
}

/// A value and where it stands in its file, so that a problem can name its line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent, bound = "T: Serialize + serde::de::DeserializeOwned")]
pub struct At<T>(toml::Spanned<T>);

impl<T> At<T> {
    /// A value that stands in no file.
    pub fn default_value(value: T) -> Self {
        Self(toml::Spanned::new(0..0, value))
    }

    /// Where it stands, in bytes; `None` for a default.
    pub fn span(&self) -> Option<Range<usize>> {
        Some(self.0.span()).filter(|span| !span.is_empty())
    }

    /// The value.
    pub fn value(&self) -> &T {
        self.0.get_ref()
    }
}

/// Documented as the value alone.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }
}

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN)
}

fn large(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap_or(NonZeroU64::MIN)
}

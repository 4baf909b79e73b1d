//! From the files to a checked [`Config`], or to every problem with file and line.
//!
//! Three steps: every file is read by itself; then partners are checked, whose destinations flows
//! name; then flows; then queries; then operators. A problem in one file keeps nobody from hearing about the others. Mappings,
//! canonical schemas and CEL conditions are only names here: they are compiled by their own modules.

mod alarms;
mod destination;
mod folder;
mod gateway;
mod operator;
mod query;
pub(super) mod reconciliation;
mod route;
mod traces;

use super::page::{Page, read_bytes};
use super::raw::{At, RawCertificate, RawFlow, RawGateway, RawLimits, RawOnInvalid, RawPartner, RawRate, RawSchedule, RawSender, RawWords};
use super::{
    CertificateHolder, CertificateMatch, Config, Destination, Flow, Gateway, Identity, Limits, Listener, NamedFile, OnInvalid, Operator,
    Partner, Problem, Query, Rate, Reconciliation, Sender, TraceSettings, alarms::Webhook,
};
use crate::certs::{Summary, files};
use crate::domain::{Digest, Name, PartnerId};
use crate::schedule::Calendar;
use folder::named_files;
use portolan_contract::Words;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Files of partners, and as many of flows and of queries.
pub const FILES_PER_FOLDER_MAX: usize = 10_000;
/// Certificates that one partner may call with, and one operator.
pub const CERTIFICATES_PER_PARTNER_MAX: usize = 4;
/// Places where one partner may receive.
pub const DESTINATIONS_PER_PARTNER_MAX: usize = 64;
/// Mappings that one sender may send with.
pub const MAPPINGS_PER_SENDER_MAX: usize = 64;
/// Records of one body of a partner whose file does not say.
pub const RECORDS_PER_BODY_MAX_DEFAULT: u64 = 20_000_000;
/// Characters of a title, a subject or an alternative name.
pub const TEXT_CHARS_MAX: usize = 512;

type Span = Option<Range<usize>>;

impl Config {
    /// Reads the configuration in `folder`: `portolan.toml`, `partners/*.toml`, `flows/*.toml`, `queries/*.toml`,
    /// `reconciliations/*.toml`, `operators/*.toml`.
    /// Paths in the files are relative to `folder`.
    ///
    /// # Errors
    /// Every problem of every file, in the order of files and lines.
    pub fn load(folder: &Path) -> Result<Self, Vec<Problem>> {
        Draft::read(folder).finish()
    }
}

/// A configuration as far as it can be read, for those who look for further problems in it.
pub struct Draft {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// Folders of mappings; `None` where it cannot be read which they are.
    pub mappings: Option<Vec<PathBuf>>,
    /// Partners by name.
    pub partners: Partners,
    /// Flows by name.
    pub flows: Flows,
    /// The queries without a problem of their own.
    pub queries: BTreeMap<Name, Arc<Query>>,
    /// The reconciliations without a problem of their own.
    pub reconciliations: BTreeMap<Name, Arc<Reconciliation>>,
    /// What `portolan.toml` says of the gateway itself.
    pub gateway: GatewayDraft,
    /// The destinations without a problem of their own, whatever else is wrong with their partners.
    pub destinations: Vec<Arc<Destination>>,
    /// Every problem so far, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// Operators by name.
    pub operators: BTreeMap<Name, Arc<Operator>>,
    calendars: Calendars,
    certificate_files: BTreeMap<PathBuf, CertificateHolder>,
}

/// The gateway's own settings, as far as they can be read.
#[derive(Default)]
pub struct GatewayDraft {
    /// The data folder, which need not be there yet.
    pub data: Option<NamedFile>,
    /// Where partners connect.
    pub partner_listener: ListenerDraft,
    /// Where operators connect.
    pub operator_listener: ListenerDraft,
    /// The client identity towards receivers.
    pub outbound_identity: Option<Identity>,
    /// Operators whom no file lists may look.
    pub unlisted_may_read: bool,
    /// Webhooks of alarms.
    pub webhooks: Vec<Arc<Webhook>>,
    /// Where traces are sent, if any are made.
    pub traces: Option<Arc<TraceSettings>>,
    whole: Option<Gateway>,
}

/// A listener's settings, as far as they can be read.
#[derive(Default)]
pub struct ListenerDraft {
    /// Address and port.
    pub address: Option<SocketAddr>,
    /// The server's certificate chain and key.
    pub identity: Option<Identity>,
    /// Files of authorities and of revocation lists.
    pub trusted: Option<[Vec<NamedFile>; 2]>,
    /// All of it.
    pub whole: Option<Listener>,
}

/// Partners by name; `None` where a file has a problem, so that its name is known all the same.
type Partners = BTreeMap<PartnerId, Option<Arc<Partner>>>;

/// Calendars by name.
type Calendars = BTreeMap<Name, Calendar>;

/// Flows by name, in the same way.
type Flows = BTreeMap<Name, Option<Arc<Flow>>>;

impl Draft {
    /// Reads the folder.
    pub fn read(folder: &Path) -> Self {
        let mut problems = Vec::new();
        let (mappings, gateway) = load_gateway(folder, &mut problems);
        let identity_given = gateway.whole.as_ref().is_none_or(|whole| whole.outbound_identity.is_some());
        let (mut certificate_files, mut destinations) = (BTreeMap::new(), Vec::new());
        let partners = load_partners(folder, identity_given, &mut certificate_files, &mut destinations, &mut problems);
        let calendars = alarms::calendars(folder, &mut problems);
        let flows = load_flows(folder, &partners, &calendars, &mut problems);
        let queries = query::load(folder, &partners, &flows, &mut problems);
        let reconciliations = reconciliation::load(folder, &flows, &mut problems);
        let operators = operator::load(folder, &mut certificate_files, &mut problems);
        problems.sort();
        Self {
            folder: folder.to_owned(),
            mappings,
            partners,
            flows,
            calendars,
            queries,
            reconciliations,
            operators,
            gateway,
            destinations,
            problems,
            certificate_files,
        }
    }

    /// The whole configuration.
    ///
    /// # Errors
    /// Every problem of it.
    pub fn finish(self) -> Result<Config, Vec<Problem>> {
        match self.gateway.whole {
            Some(gateway) if self.problems.is_empty() => Ok(Config {
                folder: self.folder,
                gateway,
                partners: self.partners.into_iter().filter_map(|(id, partner)| Some((id, partner?))).collect(),
                flows: self.flows.into_iter().filter_map(|(id, flow)| Some((id, flow?))).collect(),
                calendars: self.calendars,
                queries: self.queries,
                reconciliations: self.reconciliations,
                operators: self.operators,
                certificate_files: self.certificate_files,
            }),
            _ => Err(self.problems),
        }
    }
}

fn load_gateway(folder: &Path, problems: &mut Vec<Problem>) -> (Option<Vec<PathBuf>>, GatewayDraft) {
    let mut page = Page::read(folder.join("portolan.toml"));
    let (mappings, gateway) = match page.parse::<RawGateway>() {
        Some(raw) => {
            let mut checker = Checker { page: &mut page, folder };
            let mappings = checker.mappings(&raw.mappings);
            (Some(mappings.clone()), checker.gateway(&raw, mappings))
        }
        None => (None, GatewayDraft::default()),
    };
    problems.append(&mut page.problems);
    (mappings, gateway)
}

fn load_partners(
    folder: &Path,
    identity_given: bool,
    certificate_files: &mut BTreeMap<PathBuf, CertificateHolder>,
    destinations: &mut Vec<Arc<Destination>>,
    problems: &mut Vec<Problem>,
) -> Partners {
    let mut seen = BTreeMap::new();
    let mut partners = Partners::new();
    for (id, file) in named_files(&folder.join("partners"), problems) {
        let mut page = Page::read(file);
        let partner = page.parse::<RawPartner>().and_then(|raw| {
            certificate_files.extend(files_of(&raw.certificate, folder).map(|file| (file, CertificateHolder::Partner(id.clone()))));
            let mut checker = Checker { page: &mut page, folder };
            let certificates = checker.certificates(&raw.certificate, "partner");
            checker.certificates_are_new(&id, "partner", &certificates, &mut seen);
            let read = checker.destinations(&id, &raw.destination, identity_given);
            destinations.extend(read.iter().flatten().map(|(_, destination)| Arc::clone(destination)));
            checker.partner(&id, &raw, certificates, read.into_iter().collect())
        });
        let partner = partner.filter(|_| page.problems.is_empty());
        problems.append(&mut page.problems);
        partners.insert(id, partner.map(Arc::new));
    }
    partners
}

/// The files that certificates are read from.
fn files_of(certificates: &[At<RawCertificate>], folder: &Path) -> impl Iterator<Item = PathBuf> {
    certificates.iter().filter_map(|certificate| certificate.value().file.as_ref()).map(|file| folder.join(file.value()))
}

fn load_flows(folder: &Path, partners: &Partners, calendars: &Calendars, problems: &mut Vec<Problem>) -> Flows {
    let mut flows = Flows::new();
    for (id, file) in named_files(&folder.join("flows"), problems) {
        let mut page = Page::read(file);
        let flow = page.parse::<RawFlow>().and_then(|raw| Checker { page: &mut page, folder }.flow(&id, &raw, partners, calendars));
        problems.append(&mut page.problems);
        flows.insert(id, flow.map(Arc::new));
    }
    flows
}

/// The checks of one file. Every method looks at all that it is given before it answers `None`, so
/// that no problem hides another.
struct Checker<'p> {
    page: &'p mut Page,
    folder: &'p Path,
}

impl Checker<'_> {
    fn gateway(&mut self, raw: &RawGateway, mappings: Vec<PathBuf>) -> GatewayDraft {
        let partner_listener = self.listener(raw.partner_listener.as_ref(), "partner_listener");
        let operator_listener = self.listener(raw.operator_listener.as_ref(), "operator_listener");
        self.addresses_differ(&partner_listener, &operator_listener, raw);
        let data = self.data(&raw.data);
        let outbound_identity = raw.outbound_identity.as_ref().map(|identity| self.identity(identity));
        let limits = self.request_limits(&raw.limits);
        let alarms = self.alarms(&raw.alarms);
        let traces = raw.traces.as_ref().map(|traces| self.traces(traces).map(Arc::new));
        let expiry_warning_days: BTreeSet<u32> = raw.expiry_warning_days.iter().map(|days| days.get()).collect();
        let operators = operator::rules(&raw.operators);
        let unlisted_may_read = operators.unlisted_may_read;
        let webhooks = alarms.iter().flat_map(|alarms| alarms.webhooks.values().cloned()).collect();
        let whole = || {
            Some(Gateway {
                partner_listener: partner_listener.whole.clone()?,
                operator_listener: operator_listener.whole.clone()?,
                data: data.to_path_buf(),
                mappings,
                outbound_identity: transposed(outbound_identity.clone())?,
                expiry_warning_days: expiry_warning_days.into_iter().rev().collect(),
                operators,
                limits: limits?,
                alarms: alarms?,
                traces: transposed(traces.clone())?,
            })
        };
        let whole = whole();
        let (outbound_identity, traces) = (outbound_identity.flatten(), traces.flatten());
        GatewayDraft {
            data: Some(data),
            partner_listener,
            operator_listener,
            outbound_identity,
            unlisted_may_read,
            webhooks,
            traces,
            whole,
        }
    }

    fn partner(
        &mut self,
        id: &PartnerId,
        raw: &RawPartner,
        certificates: Option<Certificates>,
        destinations: Option<BTreeMap<Name, Arc<Destination>>>,
    ) -> Option<Partner> {
        let title = self.title(raw.title.as_ref());
        let limits = self
            .limits(&raw.limits)
            .map(|limits| Limits { records_per_body_max: limits.records_per_body_max.or(Some(RECORDS_PER_BODY_MAX_DEFAULT)), ..limits });
        if raw.destination.len() > DESTINATIONS_PER_PARTNER_MAX {
            self.page.note(None, format!("more than {DESTINATIONS_PER_PARTNER_MAX} destinations"));
        }
        Some(Partner {
            id: id.clone(),
            title: title?,
            certificates: certificates?.into_iter().map(|(certificate, _)| certificate).collect(),
            limits: limits?,
            destinations: destinations?,
        })
    }

    fn title(&mut self, raw: Option<&At<RawWords>>) -> Option<Words> {
        let at = self.page.required(raw, "title", None)?;
        let zh = self.page.required(at.value().zh.as_ref(), "zh", at.span());
        let zh = zh.and_then(|text| self.text(text, "zh"));
        let en = self.page.required(at.value().en.as_ref(), "en", at.span());
        let en = en.and_then(|text| self.text(text, "en"));
        Some(Words::new(zh?, en?))
    }

    fn text(&mut self, text: &At<String>, key: &str) -> Option<String> {
        let fits = !text.value().trim().is_empty() && text.value().chars().count() <= TEXT_CHARS_MAX;
        if !fits {
            self.page.note(text.span(), format!("`{key}` must have from 1 to {TEXT_CHARS_MAX} characters"));
        }
        fits.then(|| text.value().clone())
    }

    /// The certificates of someone: of a `partner`, for example.
    fn certificates(&mut self, raw: &[At<RawCertificate>], whose: &str) -> Option<Certificates> {
        if raw.len() > CERTIFICATES_PER_PARTNER_MAX {
            let article = if whose.starts_with('o') { "an" } else { "a" };
            let message = format!("{article} {whose} has at most {CERTIFICATES_PER_PARTNER_MAX} certificates");
            self.page.note(raw.last().and_then(At::span), message);
        }
        let read: Vec<_> = raw.iter().map(|at| self.certificate(at).map(|certificate| (certificate, at.span()))).collect();
        read.into_iter().collect()
    }

    fn certificate(&mut self, at: &At<RawCertificate>) -> Option<CertificateMatch> {
        let raw = at.value();
        let issued_only = raw.subject.as_ref().or(raw.alternative_name.as_ref());
        if let (None, Some(stray)) = (&raw.issuer_key_sha256, issued_only) {
            self.page.note(stray.span(), "`subject` and `alternative_name` go with `issuer_key_sha256` alone");
        }
        match (&raw.key_sha256, &raw.file, &raw.issuer_key_sha256) {
            (Some(digest), None, None) => self.page.parsed(digest).map(CertificateMatch::Key),
            (None, Some(path), None) => self.key_of_file(path).map(CertificateMatch::Key),
            (None, None, Some(_)) if issued_only.is_none() => {
                let message =
                    "`issuer_key_sha256` alone would take in every certificate of that issuer: add `subject` or `alternative_name`";
                self.page.note(at.span(), message);
                None
            }
            (None, None, Some(issuer)) => {
                let issuer_key = self.page.parsed(issuer);
                let subject = raw.subject.as_ref().map(|text| self.text(text, "subject"));
                let alternative_name = raw.alternative_name.as_ref().map(|text| self.text(text, "alternative_name"));
                Some(CertificateMatch::Issued {
                    issuer_key: issuer_key?,
                    subject: transposed(subject)?,
                    alternative_name: transposed(alternative_name)?,
                })
            }
            _ => {
                self.page.note(at.span(), "a certificate has exactly one of `key_sha256`, `file` and `issuer_key_sha256`");
                None
            }
        }
    }

    /// SHA-256 of the public key of the first certificate in a PEM file.
    fn key_of_file(&mut self, path: &At<PathBuf>) -> Option<Digest> {
        let file = self.file(path)?;
        let first = files::read_certificates(&file)
            .and_then(|certificates| certificates.first().ok_or_else(|| "there is no certificate in it".to_owned()).and_then(Summary::of));
        first.map(|summary| summary.key_sha256).map_err(|message| self.page.problems.push(file.problem(message))).ok()
    }

    /// A certificate names one partner or one operator: the same one again, here or in another file, is a problem.
    fn certificates_are_new(
        &mut self,
        id: &Name,
        whose: &str,
        certificates: &Option<Certificates>,
        seen: &mut BTreeMap<CertificateMatch, Name>,
    ) {
        for (certificate, span) in certificates.iter().flatten() {
            if let Some(other) = seen.insert(certificate.clone(), id.clone()) {
                let message = format!("{whose} {other} has the same certificate; a certificate belongs to one {whose}, once");
                self.page.note(span.clone(), message);
            }
        }
    }

    fn limits(&mut self, raw: &RawLimits) -> Option<Limits> {
        let requests = raw.requests.as_ref().map(|rate| self.rate(rate));
        let bytes = raw.bytes.as_ref().map(|rate| self.rate(rate));
        let records = raw.records.as_ref().map(|rate| self.rate(rate));
        Some(Limits {
            requests: transposed(requests)?,
            bytes: transposed(bytes)?,
            records: transposed(records)?,
            records_per_body_max: raw.records_per_body_max.map(NonZeroU64::get),
        })
    }

    fn rate(&mut self, at: &At<RawRate>) -> Option<Rate> {
        let per_second = self.page.required(at.value().per_second, "per_second", at.span())?.get();
        let burst = at.value().burst.as_ref().map_or(per_second, |burst| burst.value().get());
        if burst < per_second {
            let at = at.value().burst.as_ref().and_then(At::span);
            self.page.note(at, format!("`burst` ({burst}) cannot be less than `per_second` ({per_second})"));
            return None;
        }
        Some(Rate { per_second, burst })
    }

    fn flow(&mut self, id: &Name, raw: &RawFlow, partners: &Partners, calendars: &Calendars) -> Option<Flow> {
        let title = self.title(raw.title.as_ref());
        let canonical = self.page.required(raw.canonical.as_ref(), "canonical", None);
        let canonical = canonical.and_then(|text| self.canonical(text));
        let schedule = raw.schedule.as_ref();
        let senders = self.senders(&raw.sender, schedule, partners, calendars);
        let zone = self.zone(&raw.zone);
        let cut_off = raw.cut_off.as_ref().map(|time| self.time(time, "cut_off"));
        let routes = self.routes(&raw.route, partners);
        let order = self.order(&raw.order);
        let reference = raw.reference.as_ref().map(|reference| self.reference(reference));
        let (record, body) = (*raw.findings_per_record_max.value(), *raw.findings_per_body_max.value());
        if record > body {
            let at = raw.findings_per_record_max.span().or(raw.findings_per_body_max.span());
            self.page.note(at, format!("`findings_per_record_max` ({record}) cannot be more than `findings_per_body_max` ({body})"));
        }
        Some(Flow {
            id: id.clone(),
            title: title?,
            canonical: canonical?,
            senders: senders?,
            on_invalid: match raw.on_invalid {
                RawOnInvalid::RefuseBody => OnInvalid::RefuseBody,
                RawOnInvalid::RefuseRecord => OnInvalid::RefuseRecord,
            },
            zone: zone?,
            cut_off: transposed(cut_off)?,
            routes: routes?,
            order: order?,
            reference: transposed(reference)?,
            promise: raw.promise_ms.map(|ms| Duration::from_millis(ms.get())),
            delivery_records_max: raw.delivery_records_max.get(),
            delivery_bytes_max: raw.delivery_bytes_max.get(),
            findings_per_record_max: size(record),
            findings_per_body_max: size(body),
            text: self.page.text().into(),
            digest: Digest::of(self.page.text().as_bytes()),
        })
    }

    fn canonical(&mut self, text: &At<String>) -> Option<String> {
        let legal = text.value().rsplit_once(".v").is_some_and(|(name, version)| {
            name.parse::<Name>().is_ok() && version.parse::<NonZeroU32>().is_ok_and(|number| number.to_string() == version)
        });
        if !legal {
            self.page.note(
                text.span(),
                format!("`canonical`: {:?} is no canonical record; write NAME.vN, such as payment-confirmation.v1", text.value()),
            );
        }
        legal.then(|| text.value().clone())
    }

    fn senders(
        &mut self,
        raw: &BTreeMap<String, At<RawSender>>,
        schedule: Option<&At<RawSchedule>>,
        partners: &Partners,
        calendars: &Calendars,
    ) -> Option<BTreeMap<PartnerId, Sender>> {
        let common = schedule.map(|schedule| self.schedule(schedule, calendars));
        let common = transposed(common);
        if raw.is_empty() {
            self.page.missing("sender", None);
        }
        let read: Vec<_> = raw
            .iter()
            .map(|(partner, at)| {
                let name = self.name(partner, at.span());
                if name.as_ref().is_some_and(|name| !partners.contains_key(name)) {
                    self.page.note(at.span(), format!("sender {partner}: there is no partners/{partner}.toml"));
                }
                let own = at.value().schedule.as_ref().map(|schedule| self.schedule(schedule, calendars));
                let sender = self.sender(at);
                let schedule = transposed(own)?.or(common.clone()?);
                Some((name?, Sender { schedule, ..sender? }))
            })
            .collect();
        read.into_iter().collect()
    }

    fn sender(&mut self, at: &At<RawSender>) -> Option<Sender> {
        let raw = at.value();
        if raw.mappings.is_empty() {
            self.page.missing("mappings", at.span());
        }
        if raw.mappings.len() > MAPPINGS_PER_SENDER_MAX {
            self.page.note(at.span(), format!("more than {MAPPINGS_PER_SENDER_MAX} mappings"));
        }
        let mappings: Vec<_> = raw.mappings.iter().map(|name| self.page.parsed::<Name>(name)).collect();
        let answer = raw.answer.as_ref().map(|name| self.page.parsed::<Name>(name));
        let limits = self.limits(&raw.limits);
        let mappings: Option<Vec<Name>> = mappings.into_iter().collect();
        let answer = match answer {
            None => None,
            Some(name) => Some(String::from(name?)),
        };
        Some(Sender { mappings: mappings?.into_iter().map(String::from).collect(), answer, limits: limits?, schedule: None })
    }

    fn zone(&mut self, zone: &At<String>) -> Option<String> {
        let known = jiff::tz::TimeZone::get(zone.value()).is_ok();
        if !known {
            self.page.note(zone.span(), format!("`zone`: {:?} is no IANA time zone; write one such as Asia/Shanghai", zone.value()));
        }
        known.then(|| zone.value().clone())
    }

    fn name(&mut self, text: &str, at: Span) -> Option<Name> {
        text.parse().map_err(|message: String| self.page.note(at, message)).ok()
    }

    fn files(&mut self, paths: &[At<PathBuf>]) -> Option<Vec<NamedFile>> {
        let found: Vec<_> = paths.iter().map(|path| self.file(path)).collect();
        found.into_iter().collect()
    }

    /// A file that must exist; what is in it is for the module that uses it.
    fn file(&mut self, path: &At<PathBuf>) -> Option<NamedFile> {
        let file = self.folder.join(path.value());
        let exists = file.is_file();
        if !exists {
            self.page.note(path.span(), format!("there is no file {}", file.display()));
        }
        exists.then(|| self.page.named_file(file, path.span()))
    }
}

/// Whether a text is an address of that scheme with a host, without a user or a fragment.
fn is_url(text: &str, scheme: &str) -> bool {
    let parsed = text.parse::<hyper::Uri>().ok();
    parsed.is_some_and(|uri| {
        let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        uri.scheme_str() == Some(scheme) && !uri.host().unwrap_or_default().is_empty() && !user && !text.contains('#')
    })
}

/// Certificates and where each stands.
type Certificates = Vec<(CertificateMatch, Span)>;

/// An optional value whose check may have failed: `None` only if it did.
fn transposed<T>(checked: Option<Option<T>>) -> Option<Option<T>> {
    match checked {
        Some(None) => None,
        Some(value) => Some(value),
        None => Some(None),
    }
}

fn milliseconds(ms: NonZeroU32) -> Duration {
    Duration::from_millis(u64::from(ms.get()))
}

fn size(n: NonZeroU32) -> usize {
    usize::try_from(n.get()).unwrap_or(usize::MAX)
}

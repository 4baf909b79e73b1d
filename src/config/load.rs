//! From the files to a checked [`Config`], or to every problem with file and line.
//!
//! Three steps: every file is read by itself; then partners are checked, whose destinations flows
//! name; then flows; then queries; then operators. A problem in one file keeps nobody from hearing about the others. Mappings,
//! canonical schemas and CEL conditions are only names here: they are compiled by their own modules.

mod alarms;
mod operator;
mod query;

use super::page::{Page, read_bytes};
use super::raw::{
    At, RawCertificate, RawDestination, RawFlow, RawGateway, RawIdentity, RawLimits, RawListener, RawOnInvalid, RawOrder, RawPartner,
    RawRate, RawReference, RawRequestLimits, RawRoute, RawSchedule, RawSender, RawUnknown, RawWords,
};
use super::{
    CertificateMatch, Config, Destination, Flow, Gateway, Identity, Limits, Listener, OnInvalid, Operator, Order, Partner, Problem, Query,
    Rate, Reference, RequestLimits, Route, Sender,
};
use crate::domain::{DESTINATIONS_PER_FLOW_MAX, DestinationId, Digest, Name, PartnerId, Severity};
use crate::schedule::Calendar;
use portolan_contract::Words;
use rustls_pki_types::{CertificateDer, pem::PemObject};
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
    /// `operators/*.toml`.
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
    /// Every problem so far, in the order of files and lines.
    pub problems: Vec<Problem>,
    calendars: Calendars,
    operators: BTreeMap<Name, Arc<Operator>>,
    gateway: Option<Gateway>,
    certificate_files: BTreeSet<PathBuf>,
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
        let identity_given = gateway.as_ref().is_none_or(|g| g.outbound_identity.is_some());
        let mut certificate_files = BTreeSet::new();
        let partners = load_partners(folder, identity_given, &mut certificate_files, &mut problems);
        let calendars = alarms::calendars(folder, &mut problems);
        let flows = load_flows(folder, &partners, &calendars, &mut problems);
        let queries = query::load(folder, &partners, &flows, &mut problems);
        let operators = operator::load(folder, &mut certificate_files, &mut problems);
        problems.sort();
        Self { folder: folder.to_owned(), mappings, partners, flows, calendars, queries, operators, problems, gateway, certificate_files }
    }

    /// The whole configuration.
    ///
    /// # Errors
    /// Every problem of it.
    pub fn finish(self) -> Result<Config, Vec<Problem>> {
        match self.gateway {
            Some(gateway) if self.problems.is_empty() => Ok(Config {
                folder: self.folder,
                gateway,
                partners: self.partners.into_iter().filter_map(|(id, partner)| Some((id, partner?))).collect(),
                flows: self.flows.into_iter().filter_map(|(id, flow)| Some((id, flow?))).collect(),
                calendars: self.calendars,
                queries: self.queries,
                operators: self.operators,
                certificate_files: self.certificate_files,
            }),
            _ => Err(self.problems),
        }
    }
}

fn load_gateway(folder: &Path, problems: &mut Vec<Problem>) -> (Option<Vec<PathBuf>>, Option<Gateway>) {
    let mut page = Page::read(folder.join("portolan.toml"));
    let (mappings, gateway) = match page.parse::<RawGateway>() {
        Some(raw) => {
            let mut checker = Checker { page: &mut page, folder };
            let mappings = checker.mappings(&raw.mappings);
            (Some(mappings.clone()), checker.gateway(&raw, mappings))
        }
        None => (None, None),
    };
    problems.append(&mut page.problems);
    (mappings, gateway)
}

fn load_partners(folder: &Path, identity_given: bool, certificate_files: &mut BTreeSet<PathBuf>, problems: &mut Vec<Problem>) -> Partners {
    let mut seen = BTreeMap::new();
    let mut partners = Partners::new();
    for (id, file) in named_files(&folder.join("partners"), problems) {
        let mut page = Page::read(file);
        let partner = page.parse::<RawPartner>().and_then(|raw| {
            certificate_files.extend(files_of(&raw.certificate, folder));
            let mut checker = Checker { page: &mut page, folder };
            let certificates = checker.certificates(&raw.certificate, "partner");
            checker.certificates_are_new(&id, "partner", &certificates, &mut seen);
            checker.partner(&id, &raw, certificates, identity_given)
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

/// The `NAME.toml` files of a folder in the order of their names, hidden ones left out. A folder that
/// does not exist is empty.
fn named_files(folder: &Path, problems: &mut Vec<Problem>) -> Vec<(Name, PathBuf)> {
    let mut files = Vec::new();
    let mut note = |file: &Path, message: String| problems.push(Problem { file: file.to_owned(), line: 0, message });
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return files,
        Err(error) => {
            note(folder, format!("cannot be read: {error}"));
            return files;
        }
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                note(folder, format!("cannot be read: {error}"));
                break;
            }
        };
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = file_name.strip_suffix(".toml").filter(|_| !file_name.starts_with('.')) else { continue };
        match stem.parse::<Name>() {
            Ok(name) => files.push((name, path.clone())),
            Err(message) => note(&path, format!("the file's name: {message}")),
        }
        if files.len() > FILES_PER_FOLDER_MAX {
            note(folder, format!("more than {FILES_PER_FOLDER_MAX} files"));
            break;
        }
    }
    files.sort();
    files
}

/// The checks of one file. Every method looks at all that it is given before it answers `None`, so
/// that no problem hides another.
struct Checker<'p> {
    page: &'p mut Page,
    folder: &'p Path,
}

impl Checker<'_> {
    /// Folders of mappings; the usual one alone may be missing.
    fn mappings(&mut self, raw: &At<Vec<PathBuf>>) -> Vec<PathBuf> {
        let mut mappings: Vec<PathBuf> = raw.value().iter().map(|path| self.folder.join(path)).collect();
        if raw.span().is_some() {
            for folder in mappings.iter().filter(|folder| !folder.is_dir()) {
                self.page.note(raw.span(), format!("`mappings`: {} is not a folder", folder.display()));
            }
        } else {
            // Nobody asked for the usual folder; without it the built-in mappings are all there are.
            mappings.retain(|folder| folder.is_dir());
        }
        mappings
    }

    fn gateway(&mut self, raw: &RawGateway, mappings: Vec<PathBuf>) -> Option<Gateway> {
        let partner_listener = self.listener(raw.partner_listener.as_ref(), "partner_listener");
        let operator_listener = self.listener(raw.operator_listener.as_ref(), "operator_listener");
        let data = self.folder.join(raw.data.value());
        if data.components().eq(self.folder.join("").components()) {
            self.page.note(
                raw.data.span(),
                "`data` cannot be the configuration folder itself: the journal's writes would look like changes of it",
            );
        }
        let outbound_identity = raw.outbound_identity.as_ref().map(|identity| self.identity(identity));
        let limits = self.request_limits(&raw.limits);
        let alarms = self.alarms(&raw.alarms);
        let expiry_warning_days: BTreeSet<u32> = raw.expiry_warning_days.iter().map(|days| days.get()).collect();
        Some(Gateway {
            partner_listener: partner_listener?,
            operator_listener: operator_listener?,
            data,
            mappings,
            outbound_identity: transposed(outbound_identity)?,
            expiry_warning_days: expiry_warning_days.into_iter().rev().collect(),
            operators: operator::rules(&raw.operators),
            limits: limits?,
            alarms: alarms?,
        })
    }

    fn listener(&mut self, raw: Option<&At<RawListener>>, key: &str) -> Option<Listener> {
        let at = self.page.required(raw, key, None)?;
        let raw = at.value();
        let address = self.page.required(raw.address.as_ref(), "address", at.span());
        let address = address.and_then(|text| {
            let parsed = text.value().parse::<SocketAddr>().ok();
            if parsed.is_none() {
                let message = format!("`address`: {:?} is no address and port; write it as `127.0.0.1:8443` or `[::1]:8443`", text.value());
                self.page.note(text.span(), message);
            }
            parsed
        });
        let identity = self.page.required(raw.identity.as_ref(), "identity", at.span());
        let identity = identity.and_then(|identity| self.identity(identity));
        if raw.client_authorities.is_empty() {
            self.page.missing("client_authorities", at.span());
        }
        let client_authorities = self.files(&raw.client_authorities);
        let revocation_lists = self.files(&raw.revocation_lists);
        Some(Listener {
            address: address?,
            identity: identity?,
            client_authorities: client_authorities?,
            revocation_lists: revocation_lists?,
            accept_expired_lists: raw.accept_expired_lists,
        })
    }

    fn identity(&mut self, at: &At<RawIdentity>) -> Option<Identity> {
        let chain = self.page.required(at.value().chain.as_ref(), "chain", at.span());
        let chain = chain.and_then(|path| self.file(path));
        let key = self.page.required(at.value().key.as_ref(), "key", at.span());
        let key = key.and_then(|path| self.file(path));
        Some(Identity { chain: chain?, key: key? })
    }

    fn request_limits(&mut self, at: &At<RawRequestLimits>) -> Option<RequestLimits> {
        let raw = at.value();
        let (inline, body) = (raw.inline_bytes_max.value().get(), raw.body_bytes_max.value().get());
        if u64::from(inline) > body {
            let at = raw.inline_bytes_max.span().or(raw.body_bytes_max.span());
            self.page.note(at, format!("`inline_bytes_max` ({inline}) cannot be larger than `body_bytes_max` ({body})"));
            return None;
        }
        Some(RequestLimits {
            handshake_timeout: milliseconds(raw.handshake_timeout_ms),
            header_timeout: milliseconds(raw.header_timeout_ms),
            body_idle_timeout: milliseconds(raw.body_idle_timeout_ms),
            body_timeout: milliseconds(raw.body_timeout_ms),
            connection_age_max: milliseconds(raw.connection_age_ms_max),
            header_bytes_max: size(raw.header_bytes_max),
            connections_max: size(raw.connections_max),
            partner_connections_max: size(raw.partner_connections_max),
            partner_submissions_max: size(raw.partner_submissions_max),
            stranger_handshakes_per_minute_max: raw.stranger_handshakes_per_minute_max.get(),
            body_bytes_max: body,
            decoded_bytes_max: raw.decoded_bytes_max.get(),
            expansion_ratio_max: raw.expansion_ratio_max.get(),
            inline_bytes_max: size(*raw.inline_bytes_max.value()),
            free_bytes_min: raw.free_bytes_min.get(),
            translations_max: size(raw.translations_max),
            shutdown_timeout: milliseconds(raw.shutdown_timeout_ms),
        })
    }

    fn partner(&mut self, id: &PartnerId, raw: &RawPartner, certificates: Option<Certificates>, identity_given: bool) -> Option<Partner> {
        let title = self.title(raw.title.as_ref());
        let limits = self
            .limits(&raw.limits)
            .map(|limits| Limits { records_per_body_max: limits.records_per_body_max.or(Some(RECORDS_PER_BODY_MAX_DEFAULT)), ..limits });
        if raw.destination.len() > DESTINATIONS_PER_PARTNER_MAX {
            self.page.note(None, format!("more than {DESTINATIONS_PER_PARTNER_MAX} destinations"));
        }
        let destinations = self.destinations(id, &raw.destination, identity_given);
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
        let key = read_bytes(&file).and_then(|pem| {
            let der = CertificateDer::from_pem_slice(&pem).map_err(|error| format!("holds no PEM certificate: {error:?}"))?;
            let (_, certificate) =
                x509_parser::parse_x509_certificate(&der).map_err(|error| format!("holds no X.509 certificate: {error}"))?;
            Ok(Digest::of(certificate.public_key().raw))
        });
        key.map_err(|message| self.page.note(path.span(), format!("{}: {message}", file.display()))).ok()
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

    fn destinations(
        &mut self,
        partner: &PartnerId,
        raw: &BTreeMap<String, At<RawDestination>>,
        identity_given: bool,
    ) -> Option<BTreeMap<Name, Arc<Destination>>> {
        let read: Vec<_> = raw
            .iter()
            .map(|(place, at)| {
                if !identity_given && at.value().identity.is_none() {
                    self.page.note(at.span(), "`identity` is missing, and portolan.toml has no `outbound_identity` to present instead");
                }
                let place = self.name(place, at.span());
                let id = place.clone().map(|place| DestinationId { partner: partner.clone(), place });
                let destination = self.destination(id, at);
                Some((place?, Arc::new(destination?)))
            })
            .collect();
        read.into_iter().collect()
    }

    fn destination(&mut self, id: Option<DestinationId>, at: &At<RawDestination>) -> Option<Destination> {
        let raw = at.value();
        let url = self.page.required(raw.url.as_ref(), "url", at.span());
        let url = url.and_then(|url| self.https(url));
        if raw.authorities.is_empty() {
            self.page.missing("authorities", at.span());
        }
        let authorities = self.files(&raw.authorities);
        let server_keys: Vec<_> = raw.server_keys_sha256.iter().map(|digest| self.page.parsed::<Digest>(digest)).collect();
        let identity = raw.identity.as_ref().map(|identity| self.identity(identity));
        let (first, max) = (*raw.retry_first_ms.value(), *raw.retry_ms_max.value());
        if first > max {
            let at = raw.retry_first_ms.span().or(raw.retry_ms_max.span());
            self.page.note(at, format!("`retry_first_ms` ({first}) cannot be more than `retry_ms_max` ({max})"));
        }
        Some(Destination {
            id: id?,
            url: url?,
            authorities: authorities?,
            server_keys: server_keys.into_iter().collect::<Option<_>>()?,
            identity: transposed(identity)?,
            concurrency_max: size(raw.concurrency_max),
            timeout: milliseconds(raw.timeout_ms),
            retry_first: milliseconds(first),
            retry_max: milliseconds(max),
            give_up_after: Duration::from_secs(u64::from(raw.give_up_after_hours.get()) * 3600),
            circuit_failures: raw.circuit_failures.get(),
            circuit_pause: milliseconds(raw.circuit_pause_ms),
        })
    }

    fn https(&mut self, url: &At<String>) -> Option<String> {
        let parsed = url.value().parse::<hyper::Uri>().ok();
        let good = parsed.is_some_and(|uri| {
            let host = uri.host().unwrap_or_default();
            let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
            uri.scheme_str() == Some("https") && !host.is_empty() && !user && !url.value().contains('#')
        });
        if !good {
            self.page.note(url.span(), format!("`url`: {:?} must be https://HOST[:PORT]/PATH", url.value()));
        }
        good.then(|| url.value().clone())
    }

    fn flow(&mut self, id: &Name, raw: &RawFlow, partners: &Partners, calendars: &Calendars) -> Option<Flow> {
        let title = self.title(raw.title.as_ref());
        let canonical = self.page.required(raw.canonical.as_ref(), "canonical", None);
        let canonical = canonical.and_then(|text| self.canonical(text));
        let schedule = raw.schedule.as_ref();
        let senders = self.senders(&raw.sender, schedule, partners, calendars);
        let zone = self.zone(&raw.zone);
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

    fn routes(&mut self, raw: &[At<RawRoute>], partners: &Partners) -> Option<Vec<Route>> {
        if raw.len() > DESTINATIONS_PER_FLOW_MAX {
            self.page.note(raw.last().and_then(At::span), format!("a flow has at most {DESTINATIONS_PER_FLOW_MAX} routes"));
        }
        let read: Vec<_> = raw.iter().map(|at| self.route(at, partners)).collect();
        let routes: Vec<Route> = read.into_iter().collect::<Option<_>>()?;
        let mut seen = BTreeSet::new();
        for (route, at) in routes.iter().zip(raw) {
            if !seen.insert((&route.to, &route.mapping)) {
                let message = format!("a second route to {} with mapping {}: join both conditions with ||", route.to, route.mapping);
                self.page.note(at.span(), message);
            }
        }
        Some(routes)
    }

    fn route(&mut self, at: &At<RawRoute>, partners: &Partners) -> Option<Route> {
        let raw = at.value();
        let to = self.known_destination(raw.to.as_ref(), "to", at.span(), partners);
        let mapping = self.page.required(raw.mapping.as_ref(), "mapping", at.span());
        let mapping = mapping.and_then(|name| self.page.parsed::<Name>(name));
        Some(Route { to: to?, mapping: mapping?.into(), when: raw.when.as_ref().map(|when| when.value().clone()) })
    }

    /// Whether the other flow and the path are there is for those who know all flows and schemas.
    fn reference(&mut self, at: &At<RawReference>) -> Option<Reference> {
        let raw = at.value();
        let flow = self.page.required(raw.flow.as_ref(), "flow", at.span());
        let flow = flow.and_then(|flow| self.name(flow.value(), flow.span()));
        let field = self.page.required(raw.field.as_ref(), "field", at.span());
        let unknown = match raw.unknown {
            RawUnknown::Warning => Severity::Warning,
            RawUnknown::Error => Severity::Error,
        };
        Some(Reference { flow: flow?, field: field?.value().clone(), unknown })
    }

    /// A destination that a partner's file has.
    fn known_destination(&mut self, text: Option<&At<String>>, key: &str, table: Span, partners: &Partners) -> Option<DestinationId> {
        let text = self.page.required(text, key, table)?;
        let id = self.page.parsed::<DestinationId>(text)?;
        match partners.get(&id.partner) {
            None => self.page.note(text.span(), format!("`{key}`: there is no partners/{}.toml", id.partner)),
            Some(Some(partner)) if !partner.destinations.contains_key(&id.place) => {
                self.page.note(text.span(), format!("`{key}`: partners/{}.toml has no [destination.{}]", id.partner, id.place));
            }
            _ => {}
        }
        Some(id)
    }

    fn order(&mut self, order: &At<RawOrder>) -> Option<Order> {
        match order.value() {
            RawOrder::None => Some(Order::None),
            RawOrder::Sender => Some(Order::Sender),
            RawOrder::Key(path) if path.trim().is_empty() => {
                self.page.note(order.span(), "`order`: `key` names a path of the canonical record, such as `account`");
                None
            }
            RawOrder::Key(path) => Some(Order::Key(path.clone())),
        }
    }

    fn name(&mut self, text: &str, at: Span) -> Option<Name> {
        text.parse().map_err(|message: String| self.page.note(at, message)).ok()
    }

    fn files(&mut self, paths: &[At<PathBuf>]) -> Option<Vec<PathBuf>> {
        let found: Vec<_> = paths.iter().map(|path| self.file(path)).collect();
        found.into_iter().collect()
    }

    /// A file that must exist; what is in it is for the module that uses it.
    fn file(&mut self, path: &At<PathBuf>) -> Option<PathBuf> {
        let file = self.folder.join(path.value());
        let exists = file.is_file();
        if !exists {
            self.page.note(path.span(), format!("there is no file {}", file.display()));
        }
        exists.then_some(file)
    }
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

//! What ends soon: certificates, authorities and revocation lists, told of in good time.
//!
//! Each thing that ends is logged once for every warning span that it comes within (60, 30 and 7 days
//! unless configured), and once more when it has ended: a warning, and an error within
//! [`URGENT_DAYS`]. What was renewed is forgotten. The metrics show the soonest end of each kind.

use crate::config::Config;
use crate::ingress::identity::{Expiring, Expiry, Operators, Partners, TrustStore, expiring_listed, expiring_outbound};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::seams::SharedClock;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use portolan_contract::Words;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is looked.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(3600);
/// Days before an end from which on it is an error and no longer a warning.
pub const URGENT_DAYS: i64 = 7;
/// A warning span that takes in every end, however far.
pub const EVER: [u32; 1] = [u32::MAX];

/// Days before its end from which a certificate is alarmed: the second warning span, the first being for the log alone.
pub fn alarm_days(config: &Config) -> i64 {
    let spans = &config.gateway.expiry_warning_days;
    i64::from(spans.get(1).or(spans.first()).copied().unwrap_or_default())
}

/// Everything of a gateway that ends.
#[derive(Clone)]
pub struct Endings {
    /// The partner listener's.
    pub partners: Arc<TrustStore<Partners>>,
    /// The operator listener's.
    pub operators: Arc<TrustStore<Operators>>,
    /// The configuration, for what receivers are called with.
    pub live: Arc<ArcSwap<Live>>,
}

impl Endings {
    /// What ends within the configured warning spans, soonest first. Reads files.
    pub fn due(&self, now: Timestamp) -> Vec<Expiry> {
        let config = Arc::clone(&self.live.load().config);
        self.within(&config, &config.gateway.expiry_warning_days, now)
    }

    /// Everything that ends, soonest first; of revocation lists those that are due for the next. Reads
    /// files.
    pub fn all(&self, now: Timestamp) -> Vec<Expiry> {
        let config = Arc::clone(&self.live.load().config);
        self.within(&config, &EVER, now)
    }

    fn within(&self, config: &Config, warning_days: &[u32], now: Timestamp) -> Vec<Expiry> {
        let partners = self.partners.expiring(warning_days, now);
        let operators = self.operators.expiring(warning_days, now);
        soonest_first([partners, operators, expiring_outbound(config, warning_days, now), expiring_listed(config, warning_days, now)])
    }
}

/// What ends, soonest first and each once: both listeners may have the same certificate and the same authorities, and a
/// partner may have called with a certificate that its file lists.
pub fn soonest_first(found: [Vec<Expiry>; 4]) -> Vec<Expiry> {
    let mut all: Vec<Expiry> = found.into_iter().flatten().collect();
    all.sort_by(|a, b| (a.not_after, &a.what).cmp(&(b.not_after, &b.what)));
    all.dedup_by(|a, b| a.what == b.what);
    all
}

/// Looks at what ends, and tells of it.
pub struct ExpiryWatch {
    endings: Endings,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    told: Mutex<Told>,
}

impl ExpiryWatch {
    /// A watch that has told of nothing yet.
    pub fn new(endings: Endings, metrics: Arc<Metrics>, clock: SharedClock) -> Self {
        Self { endings, metrics, clock, told: Mutex::default() }
    }

    /// Logs what has come within a warning span since the last look, and sets the gauges. Blocks while
    /// it reads files.
    pub fn look(&self) {
        let now = self.clock.now();
        self.metrics.ends(self.endings.all(now).iter().map(|expiry| (kind(&expiry.what), expiry.not_after)));
        let new = self.told.lock().unwrap_or_else(PoisonError::into_inner).news(self.endings.due(now), now);
        new.iter().for_each(|expiry| log(expiry, now));
    }
}

/// What was told, and of which span: with the end, so that what was renewed counts as another thing.
#[derive(Default)]
struct Told(BTreeMap<(Expiring, Timestamp), u32>);

impl Told {
    /// Those of the due ones that have come within another span since the last time.
    fn news(&mut self, due: Vec<Expiry>, now: Timestamp) -> Vec<Expiry> {
        let before = std::mem::take(&mut self.0);
        let span = |expiry: &Expiry| if expiry.not_after <= now { 0 } else { expiry.within_days };
        self.0 = due.iter().map(|expiry| ((expiry.what.clone(), expiry.not_after), span(expiry))).collect();
        let told = |expiry: &Expiry| before.get(&(expiry.what.clone(), expiry.not_after)).is_some_and(|told| *told <= span(expiry));
        due.into_iter().filter(|expiry| !told(expiry)).collect()
    }
}

fn log(expiry: &Expiry, now: Timestamp) {
    let Expiry { not_after, days_left, .. } = expiry;
    let sentence = sentence(expiry, now);
    if *days_left < URGENT_DAYS {
        tracing::error!(%not_after, days_left, "{sentence}");
    } else {
        tracing::warn!(%not_after, days_left, "{sentence}");
    }
}

/// That it ends, or has ended.
pub fn sentence(expiry: &Expiry, now: Timestamp) -> String {
    let what = words(&expiry.what).en;
    if expiry.not_after <= now { format!("{what} has ended") } else { format!("{what} ends in {} days", expiry.days_left) }
}

/// What ends, for people.
pub fn words(what: &Expiring) -> Words {
    match what {
        Expiring::ServerCertificate(file) => {
            Words::new(format!("网关服务器证书 {}", shown(file)), format!("the gateway's server certificate {}", shown(file)))
        }
        Expiring::OutboundCertificate(file) => {
            Words::new(format!("网关对外证书 {}", shown(file)), format!("the gateway's outbound certificate {}", shown(file)))
        }
        Expiring::OperatorCertificate { operator, file } => {
            let file = shown(file);
            Words::new(format!("操作员 {operator} 的证书 {file}"), format!("the certificate {file} of the operator {operator}"))
        }
        Expiring::Authority { subject, .. } => Words::new(format!("证书颁发机构 {subject}"), format!("the authority {subject}")),
        Expiring::RevocationList { issuer, .. } => Words::new(format!("{issuer} 的吊销列表"), format!("the revocation list of {issuer}")),
        Expiring::PartnerCertificate { partner, subject, .. } => {
            Words::new(format!("接入单位 {partner} 的证书 {subject}"), format!("the certificate {subject} of {partner}"))
        }
    }
}

/// A file's path as people write it: files name others by `../`, which says nothing to who reads it.
fn shown(file: &Path) -> String {
    let plain = file.components().fold(PathBuf::new(), |mut plain, part| {
        let leads_back = part == Component::ParentDir && matches!(plain.components().next_back(), Some(Component::Normal(_)));
        if leads_back {
            plain.pop();
        } else {
            plain.push(part)
        }
        plain
    });
    plain.display().to_string()
}

/// The label of a metric: one for each kind, so that there is a fixed number of series.
fn kind(what: &Expiring) -> &'static str {
    match what {
        Expiring::ServerCertificate(_) => "server-certificate",
        Expiring::OutboundCertificate(_) => "outbound-certificate",
        Expiring::Authority { .. } => "authority",
        Expiring::RevocationList { .. } => "revocation-list",
        Expiring::OperatorCertificate { .. } => "operator-certificate",
        Expiring::PartnerCertificate { .. } => "partner-certificate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    const DAYS: [u32; 3] = [60, 30, 7];

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_hours(24 * number)
    }

    /// Certificates by name and the day of their end, as a look finds them on a day.
    fn look(told: &mut Told, ends: &[(&str, i64)], now: Timestamp) -> Vec<String> {
        let found = ends.iter().filter_map(|(name, end)| {
            let what = Expiring::ServerCertificate(PathBuf::from(name));
            Expiry::of(what, day(*end), &DAYS, now)
        });
        let news = told.news(found.collect(), now);
        news.iter().map(|expiry| format!("{} in {}", words(&expiry.what).en.rsplit(' ').next().unwrap(), expiry.days_left)).collect()
    }

    #[test]
    fn each_span_is_told_of_once() {
        let mut told = Told::default();
        // It ends on day 100 and is looked at every day.
        let days = (0..=130).flat_map(|on| look(&mut told, &[("a", 100)], day(on)).into_iter().map(move |text| (on, text)));
        let expected = [(41, "a in 59"), (71, "a in 29"), (94, "a in 6"), (100, "a in 0")];
        assert_eq!(days.collect::<Vec<_>>(), expected.map(|(on, text)| (on, text.to_owned())));
    }

    #[test]
    fn a_start_within_a_span_tells_of_that_span_alone() {
        let mut told = Told::default();
        assert_eq!(look(&mut told, &[("a", 20), ("b", 61), ("c", -3)], day(0)), ["a in 20", "c in -3"]);
        assert_eq!(look(&mut told, &[("a", 20), ("b", 61), ("c", -3)], day(0)), [""; 0]);
    }

    #[test]
    fn an_operators_certificate_says_whose_it_is_and_where() {
        for (file, expected) in [
            ("/e/gateway/../certs/night.pem", "the certificate /e/certs/night.pem of the operator night"),
            ("../../certs/./night.pem", "the certificate ../../certs/night.pem of the operator night"),
            ("gateway/a/../../certs/night.pem", "the certificate certs/night.pem of the operator night"),
        ] {
            let what = Expiring::OperatorCertificate { operator: "night".parse().unwrap(), file: PathBuf::from(file) };
            assert_eq!(words(&what).en, expected);
        }
    }

    #[test]
    fn what_was_renewed_is_another_thing() {
        let mut told = Told::default();
        assert_eq!(look(&mut told, &[("a", 20)], day(0)), ["a in 20"]);
        assert_eq!(look(&mut told, &[("a", 400)], day(1)), [""; 0], "renewed");
        assert_eq!(look(&mut told, &[("a", 400)], day(341)), ["a in 59"]);
    }
}

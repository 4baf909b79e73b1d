//! Rate limits on a clock that is told the time. Cases are in `limits.toml`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use crate::cases::cases;
use jiff::{SignedDuration, Timestamp};
use portolan::config::{Flow, Limits, OnInvalid, Order, Partner, Rate, Sender};
use portolan::domain::{Digest, FlowId, PartnerId};
use portolan::fault::{Fault, Retry};
use portolan::ingress::limits::{Admission, RateLimits};
use portolan::seams::Clock;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    partner: BTreeMap<String, [u64; 2]>,
    #[serde(default)]
    flow: BTreeMap<String, [u64; 2]>,
    steps: String,
}

#[test]
fn sequences() {
    cases(include_str!("limits.toml")).iter().for_each(check);
}

fn check(case: &Case) {
    let clock = Arc::new(ToldClock(Mutex::new(Timestamp::UNIX_EPOCH)));
    let partner = limits(&case.partner);
    let mut limits = rate_limits(partner, limits(&case.flow), None, &clock);
    let mut admission: Option<Admission> = None;
    for step in case.steps.lines() {
        let (action, expected) = step.split_once(" -> ").unwrap();
        let mut words = action.split(' ');
        let second: f64 = words.next().unwrap().parse().unwrap();
        *clock.0.lock().unwrap() = Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(second);
        let (verb, number) = (words.next().unwrap(), words.next().and_then(|number| number.parse().ok()));
        let (bank, flow) = (bank(), flow_id());
        let answer = match verb {
            "admit" => limits.admit(&bank, Some(&flow), number).map(|admitted| admission = Some(admitted)),
            "look" => limits.admit(&bank, None, None).map(|_| ()),
            "bytes" => admission.as_mut().unwrap().charge_bytes(number.unwrap()),
            "records" => {
                admission.as_ref().unwrap().charge_records(number.unwrap());
                Ok(())
            }
            "end" => {
                admission = None;
                Ok(())
            }
            "reload" | "reload-other" => {
                let other = Limits { requests: Some(Rate { per_second: 5, burst: 5 }), ..partner };
                let partner = if verb == "reload" { partner } else { other };
                limits = rate_limits(partner, self::limits(&case.flow), Some(&limits), &clock);
                Ok(())
            }
            "fields" => {
                let fields =
                    limits.fields(&bank, Some(&flow)).map_or("none".to_owned(), |fields| format!("{} | {}", fields.policy, fields.limit));
                assert_eq!(fields, expected, "{}: {step}", case.name);
                continue;
            }
            other => panic!("no verb {other}"),
        };
        assert_eq!(told(answer), expected, "{}: {step}", case.name);
    }
}

fn told(answer: Result<(), Fault>) -> String {
    match answer.map_err(|fault| (fault.code.as_str(), fault.retry)) {
        Ok(()) => "ok".to_owned(),
        Err(("limit.rate", Retry::AfterSeconds(seconds))) => format!("later {seconds}"),
        Err((code, _)) => code.to_owned(),
    }
}

struct ToldClock(Mutex<Timestamp>);

impl Clock for ToldClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn random(&self, _into: &mut [u8]) {}
}

fn bank() -> PartnerId {
    "bank".parse().unwrap()
}

fn flow_id() -> FlowId {
    "payments".parse().unwrap()
}

fn limits(rates: &BTreeMap<String, [u64; 2]>) -> Limits {
    let rate = |name: &str| rates.get(name).map(|[per_second, burst]| Rate { per_second: *per_second, burst: *burst });
    Limits { requests: rate("requests"), bytes: rate("bytes"), records: rate("records"), records_per_body_max: None }
}

fn rate_limits(partner: Limits, flow: Limits, previous: Option<&RateLimits>, clock: &Arc<ToldClock>) -> RateLimits {
    let partner =
        Partner { id: bank(), title: Default::default(), certificates: Vec::new(), limits: partner, destinations: BTreeMap::new() };
    let flow = Flow {
        id: flow_id(),
        title: Default::default(),
        canonical: "payment-confirmation.v1".to_owned(),
        senders: BTreeMap::from([(bank(), Sender { mappings: Vec::new(), answer: None, limits: flow, schedule: None })]),
        on_invalid: OnInvalid::RefuseRecord,
        zone: "Asia/Shanghai".to_owned(),
        cut_off: None,
        routes: Vec::new(),
        order: Order::None,
        reference: None,
        promise: None,
        delivery_records_max: 1,
        delivery_bytes_max: 1,
        findings_per_record_max: 1,
        findings_per_body_max: 1,
        text: "".into(),
        digest: Digest::default(),
    };
    let (partners, flows) = (BTreeMap::from([(bank(), Arc::new(partner))]), BTreeMap::from([(flow_id(), Arc::new(flow))]));
    RateLimits::new(&partners, &flows, previous, clock.clone())
}

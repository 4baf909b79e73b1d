//! The past that a journal is filled with. What an exchange is follows from its number alone, so that what a search must find
//! is known without looking into the journal. All of it is synthetic.
//!
//! A hundred banks send three flows, an exchange every 5.184 seconds, so that ten million are 600 days: one bank three tenths of
//! everything, another two, one next to nothing. Of a thousand exchanges ten are refused whole and thirty in part; of a thousand
//! deliveries two are dead letters; one exchange in two hundred says the same fact twice.

use jiff::Timestamp;
use portolan::domain::{ExchangeId, Outcome};
use portolan::fault::FaultCode;
use portolan::seams::Clock;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// When the first exchange was received: 2026-01-01T00:00:00Z.
pub const BEGIN_MS: i64 = 1_767_225_600_000;
/// How long after each the next one is.
pub const STEP_MS: i64 = 5_184;
/// Banks that send.
pub const PARTNERS: u32 = 100;
/// The flows, and where each is delivered to.
pub const FLOWS: [(&str, &str); 3] = [
    ("payment-confirmation", "tax-bureau/payments"),
    ("refund-confirmation", "tax-bureau/refunds"),
    ("customs-payment", "customs/payments"),
];
/// The mapping that reads all of them, and their canonical schema.
pub const READ_BY: &str = "camt054";
/// Their canonical schema.
pub const CANONICAL: &str = "payment-confirmation.v1";
/// The mapping that renders them.
pub const WRITTEN_BY: &str = "payment-confirmation-json";
/// The bank that is never refused.
pub const FLAWLESS: u32 = 2;
/// The bank all of whose deliveries arrive.
pub const UNDISTURBED: u32 = 3;
/// The bank that sends next to nothing.
pub const SMALL: u32 = PARTNERS - 1;
/// A rule that one exchange in a hundred thousand breaks.
pub const RARE_RULE: &str = "own.rarely";
/// What the journal itself says of a record that is known.
pub const REPEATED_RULE: &str = "record.repeated";
/// The rule that refuses whole bodies.
pub const REFUSING_RULE: &str = "type.money";

/// So many exchanges. A longer past begins as a shorter one does.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// How many.
    pub exchanges: u64,
}

/// What became of an exchange's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver has it.
    Acknowledged,
    /// Given up.
    Dead,
    /// Failed once, and is tried again long after.
    Waiting,
}

/// What is known of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Its number, from 0, in the order of time.
    pub number: u64,
    /// Who sent it.
    pub partner: u32,
    /// Under which of [`FLOWS`].
    pub flow: usize,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused whole.
    pub fault: Option<FaultCode>,
    /// The rule of the one finding that its translation had.
    pub rule: Option<&'static str>,
    /// Whether its second record says the same as its first.
    pub repeated: bool,
    /// What became of its delivery, where it has one.
    pub delivered: Option<Delivered>,
}

impl Past {
    /// What is known of an exchange.
    pub fn facts(self, number: u64) -> Facts {
        let draw = |salt: u64, of: u64| mix(number.wrapping_mul(31).wrapping_add(salt)) % of;
        let small = number % 9_973 == 5;
        let partner = match draw(1, 1000) {
            _ if small => SMALL,
            ..300 => 0,
            300..500 => 1,
            _ => 2 + draw(2, u64::from(SMALL) - 2) as u32,
        };
        let flow = match draw(3, 100) {
            _ if small => 0,
            ..10 if partner >= PARTNERS / 2 => 2,
            ..25 => 1,
            _ => 0,
        };
        let outcome = match draw(4, 1000) {
            _ if partner == FLAWLESS => Outcome::Accepted,
            ..10 => Outcome::Refused,
            10..40 => Outcome::InPart,
            _ => Outcome::Accepted,
        };
        let rare = number % 100_003 == 7;
        let rule = match (outcome, draw(5, 20)) {
            (Outcome::Refused, _) => Some(REFUSING_RULE),
            (Outcome::InPart, draw) => Some(["type.date", "check.iban"][usize::from(draw < 10)]),
            (Outcome::Accepted, _) if rare => Some(RARE_RULE),
            (Outcome::Accepted, 0) => Some("schema.maxLength"),
            (Outcome::Accepted, _) => None,
        };
        let refused = outcome == Outcome::Refused;
        let delivered = match draw(6, 10_000) {
            _ if refused => None,
            _ if partner == UNDISTURBED => Some(Delivered::Acknowledged),
            ..20 => Some(Delivered::Dead),
            20..22 => Some(Delivered::Waiting),
            _ => Some(Delivered::Acknowledged),
        };
        let fault = refused.then(|| if draw(7, 4) == 0 { FaultCode::SyntaxTruncated } else { FaultCode::RecordsRefused });
        let repeated = outcome == Outcome::Accepted && number % 200 == 3;
        Facts { number, partner, flow, received_ms: received_ms(number), outcome, fault, rule, repeated, delivered }
    }
}

/// When an exchange was received.
pub fn received_ms(number: u64) -> i64 {
    BEGIN_MS + number as i64 * STEP_MS
}

/// The exchange that was received then.
pub fn number_at(received: Timestamp) -> u64 {
    ((received.as_millisecond() - BEGIN_MS) / STEP_MS).unsigned_abs()
}

impl Facts {
    /// Its id.
    pub fn id(&self) -> ExchangeId {
        let [a, b, c, d, e, f, g, h] = mix(self.number ^ 0xE8C4).to_be_bytes();
        ExchangeId::new(self.received_ms.unsigned_abs(), [a, b, c, d, e, f, g, h, 0, 1])
    }

    /// Its message id.
    pub fn message_id(&self) -> String {
        format!("MSG-{}-{:010}", partner_name(self.partner), self.number)
    }

    /// Whether it is found by a rule.
    pub fn has_rule(&self, rule: &str) -> bool {
        self.rule == Some(rule) || (self.repeated && rule == REPEATED_RULE)
    }

    /// Records that its body has.
    pub fn records(&self) -> u64 {
        if self.repeated || self.outcome == Outcome::InPart { 2 } else { 1 }
    }

    /// Records of it that are taken in.
    pub fn accepted(&self) -> u64 {
        match self.outcome {
            Outcome::Accepted => self.records(),
            Outcome::InPart => 1,
            Outcome::Refused => 0,
        }
    }

    /// Its canonical record.
    pub fn record(&self) -> Value {
        let amount = mix(self.number) % 10_000_000;
        let day = Timestamp::from_millisecond(self.received_ms).unwrap_or_default().strftime("%Y-%m-%d").to_string();
        json!({
            "message_id": self.message_id(),
            "account": { "number": format!("6222{:012}", self.partner) },
            "amount": format!("{}.{:02}", amount / 100, amount % 100),
            "currency": "CNY",
            "credit_debit": "credit",
            "reversal": false,
            "status": "booked",
            "booking_date": day,
            "servicer_reference": format!("REF{:012}", self.number),
        })
    }
}

/// The name of a bank.
pub fn partner_name(partner: u32) -> String {
    format!("bank-{partner:02}")
}

/// SplitMix64 of one number: what looks like chance and is not.
pub fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Numbers that look like chance, the same in every run.
#[derive(Debug)]
pub struct Chance(AtomicU64);

impl Chance {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, below a bound.
    pub fn below(&self, bound: u64) -> u64 {
        mix(self.0.fetch_add(1, Ordering::Relaxed)) % bound.max(1)
    }
}

/// The clock of the past: it stands at what is being written.
#[derive(Debug)]
pub struct PastClock {
    now_ms: AtomicI64,
    chance: Chance,
}

impl PastClock {
    /// Stands at an exchange.
    pub fn at(number: u64) -> Self {
        Self { now_ms: AtomicI64::new(received_ms(number)), chance: Chance::new(mix(number)) }
    }

    /// Goes on to a moment.
    pub fn reach(&self, ms: i64) {
        self.now_ms.fetch_max(ms, Ordering::Relaxed);
    }
}

impl Clock for PastClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms.load(Ordering::Relaxed)).unwrap_or_default()
    }

    fn random(&self, into: &mut [u8]) {
        for piece in into.chunks_mut(8) {
            let bytes = self.chance.below(u64::MAX).to_be_bytes();
            piece.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        }
    }
}

//! What the journal's tests share: a clock that stands, a chance that repeats, and bodies to commit.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use portolan::domain::{BusinessAnswer, Chunk, Counts, Digest, ExchangeId, IndexRow, Outcome, Pins, Routed, Stored, Verdict};
use portolan::journal::NewExchange;
use portolan::schedule::BusinessDay;
use portolan::seams::{Clock, new_id};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

/// A time that moves only when it is told to, and bytes that follow from a seed.
pub struct TestClock {
    now_ms: AtomicI64,
    state: Mutex<u64>,
}

impl TestClock {
    pub fn new(seed: u64) -> Self {
        // 2026-07-01T00:00:00Z.
        Self { now_ms: AtomicI64::new(1_782_864_000_000), state: Mutex::new(seed) }
    }

    pub fn advance(&self, by: SignedDuration) {
        self.now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms.load(Ordering::SeqCst)).unwrap()
    }

    fn random(&self, into: &mut [u8]) {
        let mut state = self.state.lock().unwrap();
        for byte in into {
            *byte = (splitmix(&mut state) >> 32) as u8;
        }
    }
}

/// One step of SplitMix64.
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One record of a sample: its business key, and the bits of its destinations.
#[derive(Clone, Debug)]
pub struct SampleRecord {
    pub key: Option<String>,
    pub destinations: u64,
}

impl SampleRecord {
    pub fn plain() -> Self {
        Self { key: None, destinations: 1 }
    }

    pub fn keyed(key: &str) -> Self {
        Self { key: Some(key.to_owned()), destinations: 1 }
    }
}

/// An exchange of one record to `tax/inbox`, of which tests change what they are about.
pub fn sample(clock: &dyn Clock, body: &str) -> NewExchange {
    sample_of(clock, body, &[SampleRecord::plain()])
}

/// An exchange of these records, in one delivery to `tax/inbox` and one to `archive/inbox`.
pub fn sample_of(clock: &dyn Clock, body: &str, records: &[SampleRecord]) -> NewExchange {
    let id = new_id(clock);
    let canonical: Vec<String> = (1..=records.len()).map(|number| format!("{{\"body\":\"{body}\",\"record\":{number}}}\n")).collect();
    let (index, count) = (index_of(&canonical, records), records.len() as u64);
    let canonical = canonical.concat();
    let texts = ["the mapping", "the schema", "the flow", "the tax mapping"];
    let pins = Pins { mapping: of(texts[0]), schema: of(texts[1]), flow: of(texts[2]) };
    let chunk = |destination| Chunk { destination, first_row: 0, rows: count, order_key: None, repeated_ids: 0 };
    let routed = |to: &str| Routed { to: to.parse().unwrap(), mapping: of(texts[3]) };
    NewExchange {
        id,
        partner: "bank".parse().unwrap(),
        flow: "payments".parse().unwrap(),
        received_at: clock.now(),
        translated_at: clock.now(),
        business_day: BusinessDay::new("Asia/Shanghai", None),
        idempotency_key: None,
        question: None,
        certificate: of("a certificate"),
        corrects: None,
        mapping: "camt.054.001.08".to_owned(),
        key_space: "payment-confirmation".to_owned(),
        content_type: Some("application/xml".to_owned()),
        content_encoding: String::new(),
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        body: Stored::Inline(body.as_bytes().to_vec().into()),
        body_digest: of(body),
        verdict: Verdict {
            outcome: Outcome::Accepted,
            counts: Counts { records: count, accepted: count, ..Counts::default() },
            fault: None,
            findings: Vec::new(),
            findings_left_out: 0,
            message_id: None,
            decoded_digest: of(body),
            canonical_digest: of(&canonical),
            canonical: Stored::Inline(canonical.into_bytes().into()),
            index: Stored::Inline(index.into()),
            destinations: vec![routed("tax/inbox"), routed("archive/inbox")],
            chunks: vec![chunk(0), chunk(1)],
            pins,
            profile: Default::default(),
            tally: Default::default(),
        },
        answer: Some(BusinessAnswer { media_type: "application/EDIFACT".into(), bytes: Bytes::from_static(b"UNB+\xd6\xd0'") }),
        pinned: texts.iter().map(|text| (of(text), (*text).into())).collect(),
    }
}

/// The digest of a text.
pub fn of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Puts body, canonical records and index into files of a folder, as a spool does.
pub fn spooled(mut exchange: NewExchange, folder: &Path) -> NewExchange {
    let id = exchange.id;
    let parts = [("body", &mut exchange.body), ("canonical", &mut exchange.verdict.canonical), ("index", &mut exchange.verdict.index)];
    for (name, stored) in parts {
        let (path, contents) = (folder.join(format!("{id}-{name}")), bytes_of(stored));
        std::fs::write(&path, &contents).unwrap();
        *stored = Stored::File { path, bytes: contents.len() as u64 };
    }
    exchange
}

/// The bytes, wherever they are.
pub fn bytes_of(stored: &Stored) -> Vec<u8> {
    match stored {
        Stored::Inline(bytes) => bytes.to_vec(),
        Stored::File { path, bytes } => {
            let read = std::fs::read(path).unwrap();
            assert_eq!(read.len() as u64, *bytes);
            read
        }
    }
}

/// The id of an exchange that was never committed.
pub fn unknown_id(clock: &dyn Clock) -> ExchangeId {
    new_id(clock)
}

fn index_of(lines: &[String], records: &[SampleRecord]) -> Vec<u8> {
    let mut offset = 0;
    let rows = lines.iter().zip(records).zip(1..).map(|((line, record), number)| {
        let mut key = [0; 16];
        if let Some(text) = &record.key {
            key.copy_from_slice(&of(text).0[..16]);
        }
        let length = u32::try_from(line.len()).unwrap();
        let row = IndexRow { record: number, offset, length, source_line: 1, destinations: record.destinations, key };
        offset += u64::from(length);
        row.to_bytes()
    });
    rows.flatten().collect()
}

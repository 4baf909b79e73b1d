//! Handshakes of those whose identity is not known yet, limited by where they come from.
//!
//! A handshake costs signatures, and whoever can make us spend them for nothing must be slowed before
//! there is any identity to charge. Sources are counted by /24 (IPv4) and /64 (IPv6) in a table of fixed
//! size: [`SLOTS`] slots of eight bytes, found by a hash with a random seed. Two sources that share a slot
//! share its limit: that is stricter, never laxer, and no flood of addresses makes the table grow. Each
//! slot is a GCRA: the time at which it would be empty again. A source whose handshake ends with a known
//! identity gets its handshake back, so that partners behind one address do not use it up.

use super::limits::Time;
use crate::seams::SharedClock;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots of the table: 32 KiB.
pub const SLOTS: usize = 4096;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MINUTE: u64 = 60 * NANOS_PER_SECOND;

/// The table.
pub struct Strangers {
    slots: Box<[AtomicU64]>,
    seed: RandomState,
    per_minute: AtomicU64,
    time: Time,
}

impl Strangers {
    /// A table that lets through so many handshakes a minute from one source, all of them at once if need be.
    pub fn new(per_minute_max: u32, clock: SharedClock) -> Self {
        Self::with_slots(SLOTS, per_minute_max, clock)
    }

    /// Changes the limit, as a reload does. What was used stays used.
    pub fn set_per_minute_max(&self, per_minute_max: u32) {
        self.per_minute.store(u64::from(per_minute_max.max(1)), Ordering::Relaxed);
    }

    /// Counts a handshake that is about to begin.
    ///
    /// # Errors
    /// Seconds until another one is let through. The connection is closed without an answer.
    pub fn admit(&self, source: IpAddr) -> Result<(), u64> {
        let now = self.time.now();
        let cost = self.cost();
        let after = |empty_at: u64| empty_at.max(now) + cost;
        let full = now + NANOS_PER_MINUTE;
        let taken = self
            .slot(source)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| Some(after(empty_at)).filter(|next| *next <= full));
        taken.map(|_| ()).map_err(|empty_at| (after(empty_at) - full).div_ceil(NANOS_PER_SECOND))
    }

    /// Gives the handshake back: the source turned out to be known.
    pub fn refund(&self, source: IpAddr) {
        let cost = self.cost();
        // The closure always has an answer, so this cannot fail.
        let _ = self.slot(source).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| Some(empty_at.saturating_sub(cost)));
    }

    fn with_slots(slots: usize, per_minute_max: u32, clock: SharedClock) -> Self {
        let slots = (0..slots.max(1)).map(|_| AtomicU64::new(0)).collect();
        let strangers = Self { slots, seed: RandomState::new(), per_minute: AtomicU64::new(0), time: Time::new(clock) };
        strangers.set_per_minute_max(per_minute_max);
        strangers
    }

    /// Nanoseconds of its slot that one handshake fills.
    fn cost(&self) -> u64 {
        NANOS_PER_MINUTE / self.per_minute.load(Ordering::Relaxed)
    }

    fn slot(&self, source: IpAddr) -> &AtomicU64 {
        let at = self.seed.hash_one(network(source)) % self.slots.len() as u64;
        &self.slots[at as usize]
    }
}

/// The /24 or /64 of an address, without what follows it.
fn network(source: IpAddr) -> u64 {
    const VERSION_4: u64 = 4 << 32;
    match source.to_canonical() {
        IpAddr::V4(address) => VERSION_4 | u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::Clock;
    use jiff::{SignedDuration, Timestamp};
    use std::sync::{Arc, Mutex};

    struct StoppedClock(Mutex<Timestamp>);

    impl StoppedClock {
        fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new(Timestamp::from_second(1_700_000_000).unwrap())))
        }

        fn advance(&self, seconds: i64) {
            *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
        }
    }

    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn random(&self, _into: &mut [u8]) {}
    }

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_source_may_use_its_minute_at_once_and_then_waits() {
        let clock = StoppedClock::new();
        let strangers = Strangers::new(30, clock.clone());
        for _ in 0..30 {
            assert_eq!(strangers.admit(at("192.0.2.1")), Ok(()));
        }
        assert_eq!(strangers.admit(at("192.0.2.1")), Err(2), "one every two seconds");
        clock.advance(2);
        assert_eq!(strangers.admit(at("192.0.2.1")), Ok(()));
        assert_eq!(strangers.admit(at("192.0.2.1")), Err(2));
    }

    #[test]
    fn a_known_partner_gets_its_handshake_back() {
        let strangers = Strangers::new(1, StoppedClock::new());
        for _ in 0..100 {
            assert_eq!(strangers.admit(at("192.0.2.1")), Ok(()));
            strangers.refund(at("192.0.2.1"));
        }
    }

    #[test]
    fn sources_are_networks() {
        // (address, address, the same source)
        let cases = [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            // The number of a /24 is not the number of some /64.
            ("0.0.1.0", "0:0:0:1::", false),
        ];
        for (one, other, same) in cases {
            assert_eq!(network(at(one)) == network(at(other)), same, "{one} and {other}");
        }
    }

    #[test]
    fn sharing_a_slot_is_only_stricter() {
        let strangers = Strangers::with_slots(1, 1, StoppedClock::new());
        assert_eq!(strangers.admit(at("192.0.2.1")), Ok(()));
        assert_eq!(strangers.admit(at("198.51.100.1")), Err(60));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let clock = StoppedClock::new();
        let strangers = Strangers::new(1, clock.clone());
        assert_eq!(strangers.admit(at("192.0.2.1")), Ok(()));
        clock.advance(-3600);
        assert_eq!(strangers.admit(at("192.0.2.1")), Err(60));
        clock.advance(60);
        assert_eq!(strangers.admit(at("192.0.2.1")), Ok(()));
    }
}

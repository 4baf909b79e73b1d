//! Seeded chance: the same numbers from the same seed, on every machine and for ever.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
//! Whole numbers only, so that no rounding differs between machines. Not for secrets.

/// A seeded source of numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A source that yields the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The source of one message of one feed: other numbers for each `feed` and each `message`.
    pub fn of_message(seed: u64, feed: u64, message: u64) -> Self {
        let mut source = Self(seed);
        for part in [feed, message] {
            source = Self(source.next() ^ part);
        }
        source
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait, reason = "an endless source, never iterated")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number of `range`, its end included.
    pub fn within(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, several: &[T]) -> T {
        several[self.below(several.len() as u64) as usize]
    }

    /// So many random decimal digits.
    pub fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    /// So many random characters of an ASCII alphabet.
    pub fn text(&mut self, alphabet: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(self.pick(alphabet))).collect()
    }

    /// An amount of money in the smallest unit, skewed as payments are: most are small, few are huge.
    pub fn amount(&mut self, magnitudes: &[u32]) -> u64 {
        let magnitude = 10_u64.pow(self.pick(magnitudes));
        magnitude + self.below(magnitude * 9)
    }

    /// A UUID of version 4 (RFC 9562) in lower case.
    pub fn uuid(&mut self) -> String {
        let high = self.next() & !0xF000 | 0x4000;
        let low = self.next() & !(0b11 << 62) | 0b10 << 62;
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48, low & 0xFFFF_FFFF_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outputs of the reference C program for the seed 1234567, as published on Rosetta Code.
    #[test]
    fn numbers_are_those_of_the_reference_program() {
        let mut chance = Chance::new(1_234_567);
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(published.map(|_| chance.next()), published);
    }

    #[test]
    fn numbers_keep_their_bounds() {
        let mut chance = Chance::new(1);
        for _ in 0..10_000 {
            assert!(chance.below(7) < 7);
            assert!((3..=5).contains(&chance.within(3..=5)));
            assert!((1_000..1_000_000).contains(&chance.amount(&[3, 4, 5])));
            let uuid = chance.uuid();
            assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}

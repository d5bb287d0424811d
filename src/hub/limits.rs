//! How often somebody may do something: token buckets, and lock-out after wrong guesses. Bounded in memory, whoever asks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::moment::Moment;

/// Something that may be done in bursts, and at a steady rate in the long run.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    burst: u32,
    /// Time for one more.
    each: Duration,
    /// When the bucket will be full again.
    full_at: Moment,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub const fn new(burst: u32, each: Duration) -> Self {
        Self { burst, each, full_at: Moment::START }
    }

    /// Takes one.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Moment) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.each;
        let over = full_at.since(now).saturating_sub(self.each * self.burst);
        if over > Duration::ZERO {
            return Err(over);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Takes one in any case. The time for which the taker now has to rest, if it took too many.
    pub fn spend(&mut self, now: Moment) -> Option<Duration> {
        self.full_at = self.full_at.max(now) + self.each;
        let over = self.full_at.since(now).saturating_sub(self.each * self.burst);
        (over > Duration::ZERO).then_some(over)
    }

    /// Whether nobody would notice if it was forgotten.
    #[must_use]
    pub fn is_full(&self, now: Moment) -> bool {
        self.full_at <= now
    }
}

/// Buckets of many, by name. The longest idle ones are forgotten first.
#[derive(Debug)]
pub struct Buckets<K> {
    new: Bucket,
    most: usize,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord + Clone> Buckets<K> {
    /// For `most` names at one time.
    #[must_use]
    pub const fn new(new: Bucket, most: usize) -> Self {
        Self { new, most, buckets: BTreeMap::new() }
    }

    /// Takes one from the bucket of this name.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Moment, name: K) -> Result<(), Duration> {
        if self.buckets.len() >= self.most && !self.buckets.contains_key(&name) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= self.most {
                return Err(self.new.each);
            }
        }
        self.buckets.entry(name).or_insert(self.new).take(now)
    }
}

/// Wrong guesses of one address before it is locked out.
const FREE_GUESSES: u32 = 5;
/// The first lock-out; each further wrong guess doubles it.
const FIRST_LOCK: Duration = Duration::from_secs(30);
/// The longest lock-out.
const LONGEST_LOCK: Duration = Duration::from_secs(15 * 60);
/// Addresses remembered at one time.
const ADDRESSES: usize = 4096;

/// Guards codes that could be guessed: per address, and all addresses together.
///
/// A code has 50 bits and lives 10 minutes: with the 5 guesses per second that all together have, one code is found in
/// some 10¹⁰ minutes.
#[derive(Debug)]
pub struct Guesses {
    all: Bucket,
    of_address: BTreeMap<IpAddr, Wrong>,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    count: u32,
    until: Moment,
    forget_at: Moment,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { all: Bucket::new(100, Duration::from_millis(200)), of_address: BTreeMap::new() }
    }
}

impl Guesses {
    /// Whether this address may guess now.
    ///
    /// # Errors
    /// The time until it may.
    pub fn may_guess(&mut self, now: Moment, address: IpAddr) -> Result<(), Duration> {
        match self.of_address.get(&network(address)) {
            Some(wrong) if wrong.until > now => Err(wrong.until.since(now)),
            Some(_) | None => self.all.take(now),
        }
    }

    /// This address guessed wrong. The time for which it is locked out, if it is.
    pub fn wrong(&mut self, now: Moment, address: IpAddr) -> Option<Duration> {
        if self.of_address.len() >= ADDRESSES {
            self.of_address.retain(|_, wrong| wrong.forget_at > now);
        }
        if self.of_address.len() >= ADDRESSES {
            self.of_address.pop_first();
        }
        let fresh = Wrong { count: 0, until: now, forget_at: now };
        let wrong = self.of_address.entry(network(address)).or_insert(fresh);
        wrong.count = wrong.count.saturating_add(1);
        let lock = wrong.count.checked_sub(FREE_GUESSES).map(|over| FIRST_LOCK * 2u32.pow(over.min(5)));
        let lock = lock.map(|lock| lock.min(LONGEST_LOCK));
        wrong.until = now + lock.unwrap_or_default();
        wrong.forget_at = wrong.until + LONGEST_LOCK * 4;
        lock
    }

    /// This address guessed right: it is somebody who may.
    pub fn right(&mut self, address: IpAddr) {
        self.of_address.remove(&network(address));
    }
}

/// Of IPv6 the network: who has one address has 2⁶⁴.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_burst_and_a_rate() {
        let mut bucket = Bucket::new(3, Duration::from_millis(100));
        let now = Moment::from_millis(1_000);
        assert!((0..3).all(|_| bucket.take(now).is_ok()));
        assert_eq!(bucket.take(now), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(now + Duration::from_millis(100)), Ok(()));
        assert!(bucket.take(now + Duration::from_millis(150)).is_err());
        let mut debt = Bucket::new(2, Duration::from_millis(100));
        let rests: Vec<_> = (0..4).map(|_| debt.spend(now).map(|rest| rest.as_millis())).collect();
        assert_eq!(rests, [None, None, Some(100), Some(200)]);
        assert!(!bucket.is_full(now) && bucket.is_full(now + Duration::from_secs(1)));
    }

    #[test]
    fn buckets_are_bounded_and_idle_ones_forgotten() {
        let mut buckets = Buckets::new(Bucket::new(1, Duration::from_secs(1)), 2);
        let now = Moment::from_millis(1);
        assert!(buckets.take(now, 1).is_ok() && buckets.take(now, 2).is_ok());
        assert!(buckets.take(now, 1).is_err() && buckets.take(now, 3).is_err());
        assert!(buckets.take(now + Duration::from_secs(2), 3).is_ok());
        assert_eq!(buckets.buckets.len(), 1);
    }

    #[test]
    fn wrong_guesses_lock_one_address_and_not_the_next() {
        let mut guesses = Guesses::default();
        let (bad, good): (IpAddr, IpAddr) = ("10.0.0.1".parse().expect("an address"), "10.0.0.2".parse().expect("one"));
        let now = Moment::from_millis(1);
        for _ in 1..FREE_GUESSES {
            assert_eq!(guesses.may_guess(now, bad), Ok(()));
            assert_eq!(guesses.wrong(now, bad), None);
        }
        assert_eq!(guesses.wrong(now, bad), Some(FIRST_LOCK));
        assert_eq!(guesses.may_guess(now, bad), Err(FIRST_LOCK));
        assert_eq!(guesses.may_guess(now, good), Ok(()));
        let later = now + FIRST_LOCK;
        assert_eq!(guesses.may_guess(later, bad), Ok(()));
        assert_eq!(guesses.wrong(later, bad), Some(FIRST_LOCK * 2));
        for _ in 0..40 {
            guesses.wrong(later, bad);
        }
        assert_eq!(guesses.wrong(later, bad), Some(LONGEST_LOCK));
    }

    #[test]
    fn guesses_are_bounded_whoever_makes_them() {
        let mut guesses = Guesses::default();
        let now = Moment::from_millis(1);
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        let allowed = (0..10_000).filter(|n| {
            let may = guesses.may_guess(now, address(*n)).is_ok();
            if may {
                guesses.wrong(now, address(*n));
            }
            may
        });
        assert_eq!(allowed.count(), 100);
        for n in 0..10_000 {
            guesses.wrong(now, address(n));
        }
        assert!(guesses.of_address.len() <= ADDRESSES);
        let neighbours: [IpAddr; 2] = ["2001:db8::1", "2001:db8::2"].map(|text| text.parse().expect("an address"));
        assert_eq!(network(neighbours[0]), network(neighbours[1]));
    }
}

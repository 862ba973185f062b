//! The pace of log-in attempts: who is counted together, and how long to wait.
//!
//! Three counters see every attempt before its password is hashed. The pair of name and source slows down after
//! [`FREE_FAILURES`] failures in a row; the name alone and the source alone have a budget per minute, against guessing
//! from many sources or at many names. No wait is longer than [`LONGEST_WAIT`], so nobody can lock another out for
//! longer than that.

use std::{net::IpAddr, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::name::NameKey;

/// How many failures in a row a pair has before it must wait.
pub const FREE_FAILURES: u64 = 5;

/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A pair that did nothing for this long begins anew.
pub const MEMORY: Duration = Duration::from_secs(3600);

/// The length of a window of the budgets.
pub const WINDOW: Duration = LONGEST_WAIT;

/// How many attempts a minute one name may see, from all sources together.
pub const NAME_BUDGET: u64 = 60;

/// How many attempts a minute one source may make, at all names together.
pub const SOURCE_BUDGET: u64 = 300;

/// The keys of the three counters of one attempt, in the table of attempts. User names stand there as hashes only:
/// people type passwords into the wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// This name from this source; failures in a row.
    pub pair: String,
    /// This name in this window; attempts.
    pub name: String,
    /// This source in this window; attempts.
    pub source: String,
}

impl Counters {
    /// The counters of an attempt at this name, from this source address, in this window.
    ///
    /// An IPv6 source is its /64, which is what one customer gets; an address that cannot be read counts with all
    /// others that cannot.
    pub fn new(name: &NameKey, source_ip: &str, window: u64) -> Self {
        let (name, source) = (digest(name.as_str()), source(source_ip));
        Self {
            pair: format!("pair#{name}#{source}"),
            name: format!("name#{name}#{window}"),
            source: format!("source#{source}#{window}"),
        }
    }
}

/// How long a pair waits after this many failures in a row: nothing at first, then 1, 2, 4 … seconds up to a minute.
pub fn wait_after(failures: u64) -> Duration {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES) else {
        return Duration::ZERO;
    };
    let seconds = u32::try_from(doublings).ok().and_then(|doublings| 1_u64.checked_shl(doublings)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(LONGEST_WAIT)
}

fn source(ip: &str) -> String {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Err(_) => "unknown".to_owned(),
    }
}

fn digest(text: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_after_five_failures_and_stops_at_a_minute() {
        let check = |failures, seconds| assert_eq!(wait_after(failures).as_secs(), seconds, "{failures}");
        for (failures, seconds) in
            [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (70, 60), (u64::MAX, 60)]
        {
            check(failures, seconds);
        }
    }

    #[test]
    fn sources_are_counted_by_address_or_by_64_bits() {
        let check = |one, two, same: bool| assert_eq!(source(one) == source(two), same, "{one} {two}");
        check("192.0.2.1", "192.0.2.2", false);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
        check("2001:db8:1:2::1", "2001:db8:1:3::1", false);
        check("nonsense", "", true);
    }

    #[test]
    fn a_counter_shows_no_name() {
        let counters = Counters::new(&NameKey::new("topsecret"), "192.0.2.1", 7);
        assert!(!format!("{counters:?}").contains("topsecret"));
        assert_eq!(counters, Counters::new(&NameKey::new("TopSecret"), "192.0.2.1", 7));
        assert_ne!(counters.pair, Counters::new(&NameKey::new("other"), "192.0.2.1", 7).pair);
    }
}

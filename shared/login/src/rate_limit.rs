//! The rate limit of log-ins: who is counted together, and how long to wait.
//!
//! Each attempt makes reservations before its password is hashed, so that parallel guesses count. A success gives them
//! back, a failure keeps them. The pair of name and source slows down after [`FREE_FAILURES`] failures in a row. The
//! name has a budget of failures a minute over all networks that have not logged in for it lately; a network that has
//! is counted by itself, so that an attack from elsewhere does not spend its budget. The source has a budget of
//! attempts a minute over all names, which bounds the hashes that it can cause.

use std::{net::IpAddr, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::name::NameKey;

/// How many failures in a row a pair has before it must wait.
pub const FREE_FAILURES: u32 = 5;

/// After this many failures in a row the wait grows no longer.
pub const MAX_FAILURES: u32 = 11;

/// The longest wait.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// A pair that did nothing for this long begins anew.
pub const MEMORY: Duration = Duration::from_secs(3600);

/// The length of a window of the budgets.
pub const WINDOW: Duration = MAX_WAIT;

/// How many attempts of a pair are checked at once; after [`FREE_FAILURES`] failures in a row, one.
pub const MAX_AT_ONCE: usize = 32;

/// How long to wait while too many attempts of a pair are being checked.
pub const BUSY_WAIT: Duration = Duration::from_secs(1);

/// A reservation of a pair expires after this time. It is longer than a function runs, so that only what crashed
/// expires.
pub const RESERVATION: Duration = Duration::from_secs(15);

/// How long a network is known for a name after its last log-in.
pub const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// A known network is noted again after this time.
pub const NOTED: Duration = Duration::from_secs(86_400);

/// The budgets of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Failures at one name, from all networks that are not known for it.
    pub name: u32,
    /// Failures at one name from one network that is known for it.
    pub network: u32,
    /// Attempts from one source, at all names together.
    pub source: u32,
}

impl Budgets {
    /// The budgets where no setting says otherwise.
    pub const DEFAULT: Self = Self { name: 60, network: 60, source: 300 };

    /// The largest budget: its reservations are one item.
    pub const MAX: u32 = 1_000;
}

/// The keys of one attempt's items, in the table of attempts. User names stand there as hashes only: people type
/// passwords into the wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// This name from this source: failures in a row, and what is being checked now.
    pub pair: String,
    /// This name in this window, from networks that are not known for it.
    pub name: String,
    /// This name from this network in this window, where the network is known for the name.
    pub network: String,
    /// This source in this window, at all names.
    pub source: String,
    /// The marker of a network that is known for this name.
    pub known: String,
    /// Whether the source has an address: only then can its network become known.
    pub has_network: bool,
}

impl Counters {
    /// The counters of an attempt at this name, from this source address, in this window.
    ///
    /// An IPv6 source is its /64, which is what one customer gets; an address that cannot be read counts with all
    /// others that cannot.
    pub fn new(name: &NameKey, source_ip: &str, window: u64) -> Self {
        let (name, address) = (digest(name.as_str()), address(source_ip));
        let (source, network) = (source(address), network(address));
        Self {
            pair: format!("pair#{name}#{source}"),
            name: format!("name#{name}#{window}"),
            network: format!("network#{name}#{network}#{window}"),
            source: format!("source#{source}#{window}"),
            known: format!("known#{name}#{network}"),
            has_network: address.is_some(),
        }
    }
}

/// How long a pair waits after this many failures in a row: nothing at first, then 1, 2, 4 … seconds up to a minute.
pub fn wait_after(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES) else {
        return Duration::ZERO;
    };
    let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(MAX_WAIT)
}

/// What the marker of a known network is bound to: the user, the generation of the user's tokens and the password's
/// hash. A change of one of them makes all networks unknown.
pub fn proof(user_id: &str, generation: &str, password_hash: &str) -> String {
    let mut hash = Sha256::new_with_prefix("hallpass known network 1\0");
    for part in [user_id, generation, password_hash] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    Base64UrlUnpadded::encode_string(&hash.finalize())
}

fn address(ip: &str) -> Option<IpAddr> {
    ip.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn source(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "unknown".to_owned(),
    }
}

/// The network of an address: /24 of IPv4, /56 of IPv6.
fn network(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            let d = d & 0xff00;
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/56")
        }
        None => "unknown".to_owned(),
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
            [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (70, 60), (u32::MAX, 60)]
        {
            check(failures, seconds);
        }
        assert_eq!(wait_after(MAX_FAILURES), MAX_WAIT);
        assert!(wait_after(MAX_FAILURES - 1) < MAX_WAIT);
    }

    #[test]
    fn sources_are_counted_by_address_or_by_64_bits() {
        let check = |one, two, same: bool| {
            assert_eq!(source(address(one)) == source(address(two)), same, "{one} {two}");
        };
        check("192.0.2.1", "192.0.2.2", false);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
        check("2001:db8:1:2::1", "2001:db8:1:3::1", false);
        check("nonsense", "", true);
    }

    #[test]
    fn networks_are_24_bits_or_56() {
        let check = |one, two, same: bool| {
            assert_eq!(network(address(one)) == network(address(two)), same, "{one} {two}");
        };
        check("192.0.2.1", "192.0.2.255", true);
        check("192.0.2.1", "192.0.3.1", false);
        check("::ffff:192.0.2.1", "192.0.2.9", true);
        check("2001:db8:1:200::1", "2001:db8:1:2ff::9", true);
        check("2001:db8:1:200::1", "2001:db8:1:300::1", false);
        assert!(!Counters::new(&NameKey::new("ada"), "", 7).has_network);
    }

    #[test]
    fn a_proof_changes_with_each_of_its_parts() {
        let parts = ["1", "5", "$argon2id$x"];
        let of = |parts: [&str; 3]| proof(parts[0], parts[1], parts[2]);
        for place in 0..3 {
            let mut other = parts;
            other[place] = "other";
            assert_ne!(of(parts), of(other), "{place}");
        }
        assert_ne!(proof("1", "2", "3"), proof("12", "", "3"));
    }

    #[test]
    fn a_counter_shows_no_name() {
        let counters = Counters::new(&NameKey::new("topsecret"), "192.0.2.1", 7);
        assert!(!format!("{counters:?}").contains("topsecret"));
        assert_eq!(counters, Counters::new(&NameKey::new("TopSecret"), "192.0.2.1", 7));
        assert_ne!(counters.pair, Counters::new(&NameKey::new("other"), "192.0.2.1", 7).pair);
    }
}

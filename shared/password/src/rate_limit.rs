//! The rate limit of log-ins: which attempts are counted together, and how long to wait.
//!
//! Each attempt takes reservations before its password is hashed, so that parallel guesses count. A
//! success releases them, a failure keeps them. Three limits apply:
//!
//! - A pair of name and source has to wait after [`FREE_FAILURES`] failures in a row.
//! - A name has a budget of failures per minute, shared by all networks that have not logged in to
//!   it recently. A network that has is counted separately, so that an attack from elsewhere does
//!   not exhaust its budget.
//! - A source has a budget of attempts per minute for all names, which bounds the hashes that it
//!   can cause.

use std::{net::IpAddr, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::name::NameKey;

/// The number of failures in a row after which a pair has to wait.
pub const FREE_FAILURES: u32 = 5;

/// The number of failures in a row after which the wait stops growing.
pub const MAX_FAILURES: u32 = 11;

/// The maximum wait.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// The time without attempts after which the failures of a pair are deleted.
pub const MEMORY: Duration = Duration::from_secs(3600);

/// The length of a budget's window.
pub const WINDOW: Duration = MAX_WAIT;

/// The maximum number of concurrent attempts of a pair. After [`FREE_FAILURES`] failures in a row
/// it is one.
pub const MAX_AT_ONCE: usize = 32;

/// The wait while a pair has too many concurrent attempts.
pub const BUSY_WAIT: Duration = Duration::from_secs(1);

/// The time after which a reservation of a pair expires. It is longer than any function runs, so
/// that only reservations of crashed functions expire.
pub const RESERVATION: Duration = Duration::from_secs(15);

/// How long a network is known for a name after its last log-in.
pub const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// The time after which a log-in from a known network is recorded again.
pub const NOTED: Duration = Duration::from_secs(86_400);

/// The budgets of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Failures for one name, from all networks that are not known for it.
    pub name: u32,
    /// Failures for one name, from one network that is known for it.
    pub network: u32,
    /// Attempts from one source, for all names together.
    pub source: u32,
}

impl Budgets {
    /// The default budgets.
    pub const DEFAULT: Self = Self { name: 60, network: 60, source: 300 };

    /// The maximum budget. It is bounded because all reservations of a budget are in one item.
    pub const MAX: u32 = 1_000;
}

/// The keys of one attempt's items in the table of attempts. They contain only hashes of user
/// names, because people sometimes type a password into the wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The pair of name and source: failures in a row, and current reservations.
    pub pair: String,
    /// The name in this window, for networks that are not known for it.
    pub name: String,
    /// The name and the network in this window, for a network that is known for the name.
    pub network: String,
    /// The source in this window, for all names.
    pub source: String,
    /// The marker of a network that is known for this name.
    pub known: String,
    /// Whether the source is an IP address. Only then can its network become known.
    pub has_network: bool,
}

impl Counters {
    /// The counters of an attempt at this name, from this source address, in this window.
    ///
    /// An IPv6 source counts as its /64, the usual allocation of one customer. All invalid
    /// addresses count together.
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

/// The wait of a pair after this many failures in a row: none at first, then 1, 2, 4 … seconds up
/// to a minute.
pub fn wait_after(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES) else {
        return Duration::ZERO;
    };
    let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(MAX_WAIT)
}

/// The value that the marker of a known network is bound to, from the user ID, `token_generation`
/// and the password hash. A change of one of them makes all networks unknown.
pub fn proof(user_id: &str, generation: &str, password_hash: &str) -> String {
    let mut hash = Sha256::new_with_prefix("hallpass known network 1\0");
    for part in [user_id, generation, password_hash] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    BASE64_URL_SAFE_NO_PAD.encode(hash.finalize())
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

/// The network of an address: the /24 of IPv4, the /56 of IPv6.
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
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_after_five_failures_and_stops_at_a_minute() {
        let check =
            |failures, seconds| assert_eq!(wait_after(failures).as_secs(), seconds, "{failures}");
        for (failures, seconds) in
            [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (11, 60), (70, 60), (u32::MAX, 60)]
        {
            check(failures, seconds);
        }
        assert_eq!(wait_after(MAX_FAILURES), MAX_WAIT);
        assert!(wait_after(MAX_FAILURES - 1) < MAX_WAIT);
    }

    #[test]
    fn sources_are_ipv4_addresses_or_ipv6_64s() {
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
    fn networks_are_ipv4_24s_or_ipv6_56s() {
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
    fn a_counter_does_not_contain_the_name() {
        let counters = Counters::new(&NameKey::new("topsecret"), "192.0.2.1", 7);
        assert!(!format!("{counters:?}").contains("topsecret"));
        assert_eq!(counters, Counters::new(&NameKey::new("TopSecret"), "192.0.2.1", 7));
        assert_ne!(counters.pair, Counters::new(&NameKey::new("other"), "192.0.2.1", 7).pair);
    }
}

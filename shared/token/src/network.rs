//! Where a request comes from, reduced to what an owner can recognize.

use std::net::{IpAddr, Ipv6Addr};

/// The network of an address: the /24 of IPv4, the /56 of IPv6, as the rate limit of log-ins has
/// it. An IPv4 address in IPv6 form counts as IPv4. A text that already is such a network is
/// returned in its one form. Returns `None` for anything else.
pub fn network(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let address = address.parse::<IpAddr>().ok()?.to_canonical();
    let (network, known) = match address {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            (format!("{a}.{b}.{c}.0/24"), "24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            let network = Ipv6Addr::new(a, b, c, d & 0xff00, 0, 0, 0, 0);
            (format!("{network}/56"), "56")
        }
    };
    length.is_none_or(|length| length == known).then_some(network)
}

/// The maximum length of an agent, in characters.
pub const MAX_AGENT: usize = 64;

/// The name of the first product of a `User-Agent`, without its version, cut at 64 characters (RFC
/// 9110 sections 5.6.2 and 10.1.5). Returns `None` if the value does not begin with a product.
pub fn agent(user_agent: &str) -> Option<&str> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let length = user_agent.bytes().take(MAX_AGENT).take_while(|byte| is_token(*byte)).count();
    user_agent.get(..length).filter(|agent| !agent.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reduced_to_its_network() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(network(text).as_deref(), expected, "{text}");
        };
        check("192.0.2.77", Some("192.0.2.0/24"));
        check("::ffff:192.0.2.77", Some("192.0.2.0/24"));
        check("192.0.2.0/24", Some("192.0.2.0/24"));
        check("192.0.2.0/16", None);
        check("2001:db8:1:2345:6::7", Some("2001:db8:1:2300::/56"));
        check("2001:db8:1:2300::/56", Some("2001:db8:1:2300::/56"));
        check("2001:db8:0:0:0:0:0:0/56", Some("2001:db8::/56"));
        check("::1", Some("::/56"));
        check("2001:db8:1:2300::/64", None);
        check("2001:db8::/56/56", None);
        check("unknown", None);
        check("", None);
    }

    #[test]
    fn the_network_of_a_network_is_the_network_itself() {
        for address in ["0.0.0.0", "255.255.255.255", "::", "::1", "ffff:ffff:ffff:ffff:ffff::"] {
            let network_of = network(address).unwrap();
            assert_eq!(network(&network_of), Some(network_of.clone()), "{address}");
        }
    }

    #[test]
    fn a_user_agent_is_reduced_to_its_first_product() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(agent(value), expected, "{value}");
        };
        check("curl/8.5.0", Some("curl"));
        check("Mozilla/5.0 (X11) AppleWebKit/537.36", Some("Mozilla"));
        check("my-app", Some("my-app"));
        check("!#$%&'*+-.^_`|~09azAZ x", Some("!#$%&'*+-.^_`|~09azAZ"));
        check(&"a".repeat(65), Some(&"a".repeat(64)));
        check("(comment) curl", None);
        check("é", None);
        check("aé", Some("a"));
        check(" curl", None);
        check("", None);
    }
}

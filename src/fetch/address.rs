//! Which addresses may be connected to.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;

/// What is not globally reachable unicast in IPv4 (IANA special-purpose registry, RFC 6890, and RFC 5771).
const SPECIAL_V4: [([u8; 4], u32, &str); 15] = [
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared by a carrier"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "for protocols"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 88, 99, 0], 24, "a 6to4 relay"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved or broadcast"),
];

/// What is not globally reachable unicast in IPv6, with its name. Whatever else is outside 2000::/3 is refused as well
/// (RFC 4291 §2.4). A transition prefix hides an IPv4 address that a gateway would connect to.
const SPECIAL_V6: [([u16; 8], u32, &str); 12] = [
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "a local NAT64"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
    // Teredo 2001::/32, benchmarking 2001:2::/48, ORCHID 2001:10::/28 and 2001:20::/28 and others
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "for protocols"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
];

/// The well-known prefix by which IPv4 is reached from networks that have only IPv6 (RFC 6052 §2.1).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Where may be connected to.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// All addresses that are globally reachable.
    pub global: bool,
    /// The networks that the operator listed.
    pub listed: Arc<[IpNet]>,
}

/// An address that may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address {ip} may not be fetched from: it is {kind}. If it is meant, list its network in fetch.allowed_networks"
)]
pub struct Unreachable {
    /// The address.
    pub ip: IpAddr,
    /// What kind of address it is, such as "loopback".
    pub kind: &'static str,
}

impl Reach {
    /// Whether this address may be connected to.
    pub(super) fn check(&self, ip: IpAddr) -> Result<(), Unreachable> {
        let canonical = ip.to_canonical();
        if self.listed.iter().any(|network| network.contains(&canonical)) {
            return Ok(());
        }
        match special(ip) {
            Some(kind) => Err(Unreachable { ip, kind }),
            None if !self.global => Err(Unreachable { ip, kind: "not in a listed network, as plain http needs" }),
            None => Ok(()),
        }
    }
}

/// What keeps an address from being globally reachable unicast; `None` if nothing does. An IPv4 address inside an IPv6
/// one counts as itself.
pub fn special(ip: IpAddr) -> Option<&'static str> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    SPECIAL_V4
        .iter()
        .find(|(network, length, _)| (ip.to_bits() ^ Ipv4Addr::from(*network).to_bits()) >> (32 - length) == 0)
        .map(|(_, _, kind)| *kind)
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let segments = ip.segments();
    if segments.starts_with(&NAT64) {
        return special_v4(Ipv4Addr::from_bits(u32::from(segments[6]) << 16 | u32::from(segments[7])));
    }
    let named = SPECIAL_V6
        .iter()
        .find(|(network, length, _)| (ip.to_bits() ^ Ipv6Addr::from(*network).to_bits()) >> (128 - length) == 0)
        .map(|(_, _, kind)| *kind);
    let unicast = segments[0] >> 13 == 1;
    named.or_else(|| (!unicast).then_some("reserved"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_global_unicast_is_not_special() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::7f00:1",
            "::169.254.169.254",
            "::808:808",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:a9fe:a9fe",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
            "4000::1",
            "f000::1",
        ] {
            assert!(special(text.parse().unwrap()).is_some(), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "2003::1",
            "3ffe::1",
        ] {
            assert_eq!(special(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_listed_network_is_reached_and_only_it() {
        let reach = |global| Reach { global, listed: vec!["10.1.0.0/16".parse().unwrap()].into() };
        for global in [true, false] {
            assert!(reach(global).check("10.1.2.3".parse().unwrap()).is_ok());
            assert!(reach(global).check("::ffff:10.1.2.3".parse().unwrap()).is_ok());
            assert!(reach(global).check("10.2.0.1".parse().unwrap()).is_err());
            assert_eq!(reach(global).check("8.8.8.8".parse().unwrap()).is_ok(), global);
        }
    }
}

//! Who is at the other end, as far as an address tells.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One peer: an IPv4 address, or the 64 bits of an IPv6 address that its owner does not choose.
///
/// Each request has it among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Peer {
    /// Whose address this is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => Self(IpAddr::V6(masked_v6(address, 64))),
        }
    }
}

/// Addresses that begin alike, as `10.0.0.0/8`; without a length it is one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// A text that names no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an IP address or network, as 10.0.0.0/8")]
pub struct NetworkError;

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let bits_max = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| NetworkError)?,
            None => bits_max,
        };
        if bits > bits_max || masked(address, bits) != address {
            return Err(NetworkError);
        }
        Ok(Self { first: address, bits })
    }
}

impl Network {
    /// Whether the peer is in this network. An IPv6 peer is, when its first 64 bits may be.
    pub(super) fn holds(&self, peer: Peer) -> bool {
        match (self.first, peer.0) {
            (IpAddr::V4(_), IpAddr::V4(_)) => masked(peer.0, self.bits) == self.first,
            (IpAddr::V6(first), IpAddr::V6(_)) => {
                let bits = self.bits.min(64);
                masked(peer.0, bits) == IpAddr::V6(masked_v6(first, bits))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(bits)));
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or(0)))
        }
        IpAddr::V6(address) => IpAddr::V6(masked_v6(address, bits)),
    }
}

fn masked_v6(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(bits)));
    Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn peer(text: &str) -> Peer {
        Peer::of(text.parse().unwrap())
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("2001:db8::/32", "2001:db8:7::1", "2001:db9::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(peer(inside)), "{network:?} {inside}");
            assert!(!network.holds(peer(outside)), "{network:?} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "lan", "a/8"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text}");
        }
    }

    #[test]
    fn one_owner_s_many_ipv6_addresses_are_one_peer() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
        assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
    }
}

//! inet, cidr and macaddr.

use crate::{SqlError, SqlState};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with the length of its network part in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn width(self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The address as a number, left-aligned in 128 bits.
    fn number(self) -> u128 {
        match self.address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        }
    }

    fn mask(bits: u8) -> u128 {
        if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits.min(128))) }
    }

    /// The same network with all host bits zero.
    pub(crate) fn network(self) -> Self {
        let number = self.number() & Self::mask(self.bits);
        let address = match self.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number >> 96).unwrap_or(0))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
        };
        Self { address, bits: self.bits }
    }

    /// The text; the mask is left out when it covers all bits and `always_mask` is false.
    pub(crate) fn show(self, always_mask: bool) -> String {
        let mut out = String::new();
        match self.address {
            IpAddr::V4(v4) => out = v4.to_string(),
            // An address in the deprecated "IPv4-compatible" block shows its last 32 bits with dots.
            IpAddr::V6(v6) if v6.segments()[..6].iter().all(|s| *s == 0) && v6.segments()[6] != 0 => {
                let _ = write!(out, "::{}", Ipv4Addr::from_bits(u32::try_from(v6.to_bits() & 0xffff_ffff).unwrap_or(0)));
            }
            IpAddr::V6(v6) => out = v6.to_string(),
        }
        if always_mask || self.bits != self.width() {
            let _ = write!(out, "/{}", self.bits);
        }
        out
    }
}

/// Reads an inet, or with `cidr` a cidr.
pub(crate) fn parse(text: &str, cidr: bool) -> Result<Network, SqlError> {
    let name = if cidr { "cidr" } else { "inet" };
    let found = read(text, cidr)
        .ok_or_else(|| SqlError::new(SqlState::INVALID_TEXT, format!("invalid input syntax for type {name}: \"{text}\"")))?;
    if cidr && found.network() != found {
        return Err(SqlError::new(SqlState::INVALID_TEXT, format!("invalid cidr value: \"{text}\""))
            .detail("Value has bits set to right of mask."));
    }
    Ok(found)
}

fn read(text: &str, cidr: bool) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => {
            if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (address, Some(bits.parse::<u8>().ok()?))
        }
        None => (text, None),
    };
    if address.contains(':') {
        let bits = bits.unwrap_or(128);
        return (bits <= 128).then_some(Network { address: IpAddr::V6(address.parse().ok()?), bits });
    }
    let mut octets = Vec::with_capacity(4);
    for part in address.split('.') {
        if part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) || octets.len() == 4 {
            return None;
        }
        octets.push(part.parse::<u8>().ok()?);
    }
    let given = u8::try_from(octets.len() * 8).ok()?;
    // Fewer than four octets stand for a network; without a length, inet needs all four.
    if given < 32 && !cidr && bits.is_none() {
        return None;
    }
    // The whole octets of an inet's network part must have been written out.
    if !cidr && bits.is_some_and(|bits| bits / 8 > given / 8) {
        return None;
    }
    let first = octets.first().copied()?;
    let bits = match bits {
        Some(bits) => bits,
        None if given == 32 && !cidr => 32,
        None => {
            // The length that the address's historical class implies, but not less than what was written.
            let class = match first {
                240.. => 32,
                224.. => 8,
                192.. => 24,
                128.. => 16,
                _ => 8,
            };
            if class < given {
                given
            } else if class == 8 && first == 224 {
                4
            } else {
                class
            }
        }
    };
    if bits > 32 {
        return None;
    }
    octets.resize(4, 0);
    let octets: [u8; 4] = octets.try_into().ok()?;
    Some(Network { address: IpAddr::V4(Ipv4Addr::from(octets)), bits })
}

/// A key in the order of inet and cidr: family, common network bits, mask length, all bits.
pub(crate) fn sort_key(text: &str) -> Option<(bool, NetworkKey)> {
    let network = parse(text, false).or_else(|_| parse(text, true)).ok()?;
    Some((network.address.is_ipv6(), NetworkKey(network)))
}

/// Orders networks of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetworkKey(Network);

impl Ord for NetworkKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let common = Network::mask(self.0.bits.min(other.0.bits));
        (self.0.number() & common)
            .cmp(&(other.0.number() & common))
            .then_with(|| self.0.bits.cmp(&other.0.bits))
            .then_with(|| self.0.number().cmp(&other.0.number()))
    }
}

impl PartialOrd for NetworkKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Reads a MAC address in any of PostgreSQL's seven forms; lower case with colons.
pub(crate) fn parse_macaddr(text: &str) -> Result<String, SqlError> {
    let bad = || SqlError::new(SqlState::INVALID_TEXT, format!("invalid input syntax for type macaddr: \"{text}\""));
    let body = text.trim_matches(super::is_space);
    let groups: Vec<&str> = body.split([':', '-', '.']).collect();
    let marks: Vec<char> = body.chars().filter(|c| matches!(c, ':' | '-' | '.')).collect();
    let same_mark = marks.windows(2).all(|w| w[0] == w[1]);
    if !same_mark || groups.iter().any(|g| g.is_empty() || !g.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(bad());
    }
    let digits: String = match (groups.len(), marks.first()) {
        // Six groups, usually of two digits.
        (6, Some(':' | '-')) => {
            let octets: Option<Vec<u8>> = groups.iter().map(|g| u8::from_str_radix(g, 16).ok()).collect();
            let range = || SqlError::new(SqlState::OUT_OF_RANGE, format!("invalid octet value in \"macaddr\" value: \"{text}\""));
            octets.ok_or_else(range)?.iter().map(|octet| format!("{octet:02x}")).collect()
        }
        (3, Some('-' | '.')) if groups.iter().all(|g| g.len() == 4) => groups.concat(),
        (2, Some(':' | '-')) if groups.iter().all(|g| g.len() == 6) => groups.concat(),
        (1, None) if body.len() == 12 => body.to_owned(),
        _ => return Err(bad()),
    };
    let lower = digits.to_ascii_lowercase();
    let mut out = String::with_capacity(17);
    for at in (0..12).step_by(2) {
        if at > 0 {
            out.push(':');
        }
        out.push_str(lower.get(at..at + 2).unwrap_or(""));
    }
    Ok(out)
}

//! Checked values of a profile.

use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;

/// A value that does not fit its type, in words that finish "`value` …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub String);

/// A short host name (RFC 1123 label, in lower case).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Hostname(String);

/// A login name as `useradd` on Debian accepts it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct UserName(String);

/// An IPv4 address with a prefix length: an interface's own address, such as `10.10.80.50/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Interface {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length, 0 to 32.
    pub prefix: u8,
}

/// An IPv4 network, such as `10.10.99.0/24`: no host bit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Network {
    /// The first address.
    pub address: Ipv4Addr,
    /// Prefix length, 0 to 32.
    pub prefix: u8,
}

/// An Ethernet address; written in lower case with colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

impl Hostname {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
            return Err(InvalidValue(format!("`{bad}` is not allowed in a host name")));
        }
        if text.is_empty() || text.len() > 63 {
            return Err(InvalidValue("a host name has 1 to 63 characters".to_owned()));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(InvalidValue("a host name neither starts nor ends with `-`".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let first = |c: char| c.is_ascii_lowercase() || c == '_';
        let rest = |c: char| first(c) || c.is_ascii_digit() || c == '-';
        if text.is_empty() || text.len() > 32 {
            return Err(InvalidValue("a user name has 1 to 32 characters".to_owned()));
        }
        if !text.starts_with(first) || !text.chars().all(rest) {
            let rule =
                "a user name starts with a lower-case letter or `_`, then letters, digits, `_` and `-`";
            return Err(InvalidValue(rule.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn address_and_prefix(text: &str) -> Result<(Ipv4Addr, u8), InvalidValue> {
    let shape =
        || InvalidValue("is not an address with a prefix length, such as `10.10.80.50/24`".to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(shape)?;
    let prefix: u8 = prefix.parse().map_err(|_| shape())?;
    if prefix > 32 {
        return Err(InvalidValue("a prefix length is at most 32".to_owned()));
    }
    Ok((address.parse().map_err(|_| shape())?, prefix))
}

fn netmask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl Ipv4Interface {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let (address, prefix) = address_and_prefix(text)?;
        Ok(Self { address, prefix })
    }

    /// The network that the address is in.
    pub fn network(&self) -> Ipv4Network {
        let first = u32::from(self.address) & netmask(self.prefix);
        Ipv4Network { address: first.into(), prefix: self.prefix }
    }
}

impl Ipv4Network {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let (address, prefix) = address_and_prefix(text)?;
        let network = Self { address, prefix };
        let first = Ipv4Addr::from(u32::from(address) & netmask(prefix));
        if first != address {
            return Err(InvalidValue(format!(
                "is an address inside a network; the network is `{first}/{prefix}`"
            )));
        }
        Ok(network)
    }

    /// Whether the network holds this address.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & netmask(self.prefix) == u32::from(self.address)
    }
}

impl MacAddress {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let shape = || InvalidValue("is not a MAC address, such as `00:e0:4c:68:00:01`".to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(shape)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| shape())?;
        }
        if parts.next().is_some() { Err(shape()) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for Ipv4Interface {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for Ipv4Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// Written as text, which is how templates and manifests show them.
macro_rules! serialize_as_text {
    ($($checked:ty),*) => {$(
        impl Serialize for $checked {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
serialize_as_text!(Ipv4Interface, Ipv4Network, MacAddress);

//! Which IP addresses may be called: public ones, and the networks that the operator permits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use steno_models::WebAddress;

use super::{OutboundError, Resolve};

/// Allowed ports of public servers. Others belong to mail, remote shells and databases.
const PUBLIC_PORTS: [u16; 2] = [80, 443];

/// Networks that are not public, from IANA's registries of special-purpose addresses.
const NOT_PUBLIC_V4: [&str; 16] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10", // behind a carrier's NAT
    "127.0.0.0/8",
    "169.254.0.0/16", // link-local, cloud metadata among it
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24", // relays of 6to4
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3", // multicast, reserved, broadcast
];

/// The same within `2000::/3`. All of IPv6 outside of it is not public: loopback, link-local, unique local, multicast,
/// IPv4-mapped, NAT64.
const NOT_PUBLIC_V6: [&str; 5] = [
    "2001::/23", // Teredo among it
    "2001:db8::/32",
    "2002::/16", // 6to4: holds an IPv4 address
    "2620:4f:8000::/48",
    "3fff::/20",
];
const GLOBAL_V6: &str = "2000::/3";

/// Allows public addresses on ports 80 and 443, and the permitted networks on any port.
#[derive(Clone, Debug)]
pub struct AddressPolicy {
    permitted: Vec<IpNet>,
    not_public: Vec<IpNet>,
    global_v6: IpNet,
}

/// A text that is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network; write it as 10.1.0.0/16, 192.168.1.5/32 or fd00::/8")]
pub struct InvalidNetwork(String);

impl AddressPolicy {
    /// `permitted` lists networks in CIDR notation, separated by commas. A single address is a network of one.
    pub fn parse(permitted: &str) -> Result<Self, InvalidNetwork> {
        let texts = permitted.split(',').map(str::trim);
        let networks = texts.filter(|text| !text.is_empty()).map(parse_network);
        let not_public = NOT_PUBLIC_V4.iter().chain(&NOT_PUBLIC_V6);

        Ok(Self {
            permitted: networks.collect::<Result<_, _>>()?,
            not_public: not_public.map(|text| constant(text)).collect(),
            global_v6: constant(GLOBAL_V6),
        })
    }

    /// Resolves the host once and returns where to connect. If one address is not permitted, none is called: an answer
    /// that mixes public and private addresses is an attack.
    pub(super) async fn resolve(
        &self,
        address: &WebAddress,
        resolver: &dyn Resolve,
    ) -> Result<Vec<SocketAddr>, OutboundError> {
        let port = address.port();
        let found = match address.host() {
            url::Host::Ipv4(ip) => vec![ip.into()],
            url::Host::Ipv6(ip) => vec![ip.into()],
            url::Host::Domain(name) => {
                let answer = resolver.resolve(name).await;
                answer.map_err(OutboundError::NotResolved)?
            }
        };
        if found.is_empty() {
            return Err(OutboundError::NoAddress);
        }

        for ip in &found {
            self.check(*ip, port)?;
        }
        Ok(found
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect())
    }

    fn check(&self, ip: IpAddr, port: u16) -> Result<(), OutboundError> {
        if self.permitted.iter().any(|network| network.contains(&ip)) {
            return Ok(());
        }
        if !self.is_public(ip) {
            return Err(OutboundError::AddressRefused);
        }
        if !PUBLIC_PORTS.contains(&port) {
            return Err(OutboundError::PortRefused);
        }
        Ok(())
    }

    fn is_public(&self, ip: IpAddr) -> bool {
        let is_special = self.not_public.iter().any(|network| network.contains(&ip));

        !is_special && (ip.is_ipv4() || self.global_v6.contains(&ip))
    }
}

fn parse_network(text: &str) -> Result<IpNet, InvalidNetwork> {
    steno_settings::parse_network(text).map_err(|_| InvalidNetwork(text.to_owned()))
}

fn constant(text: &str) -> IpNet {
    let network = text.parse();
    network.unwrap_or_else(|_| IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(permitted: &str, ip: &str, port: u16) -> &'static str {
        let policy = AddressPolicy::parse(permitted).unwrap();
        match policy.check(ip.parse().unwrap(), port) {
            Ok(()) => "permitted",
            Err(error) => error.code(),
        }
    }

    #[test]
    fn the_built_in_networks_are_networks() {
        for text in NOT_PUBLIC_V4
            .iter()
            .chain(&NOT_PUBLIC_V6)
            .chain(&[GLOBAL_V6])
        {
            assert!(text.parse::<IpNet>().is_ok(), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_permitted_on_the_ports_of_the_web() {
        for ip in [
            "1.1.1.1",
            "93.184.216.34",
            "223.255.255.1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert_eq!(check("", ip, 443), "permitted", "{ip}");
            assert_eq!(check("", ip, 25), "port_refused", "{ip}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_refused() {
        for ip in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.251",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert_eq!(check("", ip, 443), "address_refused", "{ip}");
        }
    }

    #[test]
    fn the_operator_permits_networks_on_any_port() {
        assert_eq!(check("10.1.0.0/16, ::1", "10.1.2.3", 8080), "permitted");
        assert_eq!(check("10.1.0.0/16, ::1", "::1", 22), "permitted");
        assert_eq!(check("10.1.0.0/16, ::1", "10.2.0.1", 80), "address_refused");
        assert_eq!(
            check("10.1.0.0/16", "::ffff:10.1.2.3", 80),
            "address_refused"
        );
        let error = AddressPolicy::parse("10.0.0.0/8,office").unwrap_err();
        assert!(error.to_string().contains("`office`"));
    }
}

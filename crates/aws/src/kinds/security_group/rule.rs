//! One rule of a security group, in one spelling.

use std::net::IpAddr;

use meteoctl_engine::kind::{Fault, expect_kind};
use meteoctl_engine::reference::Link;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::operator_ip;

/// Every protocol.
pub const ALL: &str = "all";
/// The group itself as peer.
pub const SELF: &str = "self";

/// One rule: a protocol, its ports and one peer. Exactly one of `cidr`, `prefixList` and `group` names the peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all`, or the number of a protocol (IANA).
    pub protocol: String,
    /// The port, or the first of a range (ICMP: the type, -1 = every type). Left out with tcp and udp = every port.
    pub port: Option<i32>,
    /// The last port of a range (ICMP: the code, -1 = every code). Left out = `port` alone.
    pub to_port: Option<i32>,
    /// The peer: an IPv4 or IPv6 network, or `operator-ip` for the address the operator calls from.
    pub cidr: Option<String>,
    /// The peer: the id of a prefix list.
    pub prefix_list: Option<String>,
    /// The peer: another security group, or `self`.
    pub group: Option<Link>,
    /// What the rule is for, at most 255 characters.
    pub description: Option<String>,
}

/// What makes two rules the same rule for AWS: everything but the description.
pub type Key = (String, Option<i32>, Option<i32>, Option<String>, Option<String>, Option<String>);

impl Rule {
    /// What makes two rules the same rule for AWS: everything but the description. Both sides must be canonical.
    pub fn key(&self) -> Key {
        let group = self.group.as_ref().and_then(|group| group.output("id").ok());
        (self.protocol.clone(), self.port, self.to_port, self.cidr.clone(), self.prefix_list.clone(), group)
    }

    /// One spelling. `own` is the id of the group itself, `operator` the network behind `operator-ip`.
    pub fn canonical(&mut self, own: Option<&str>, operator: Option<&str>) {
        self.protocol = protocol(&self.protocol);
        (self.port, self.to_port) = match self.protocol.as_str() {
            "tcp" | "udp" => (Some(self.port.unwrap_or(0)), Some(self.to_port.or(self.port).unwrap_or(65535))),
            "icmp" | "icmpv6" => (Some(self.port.unwrap_or(-1)), Some(self.to_port.unwrap_or(-1))),
            _ => (None, None),
        };
        if self.cidr.as_deref() == Some(operator_ip::WORD) {
            self.cidr = operator.map(str::to_owned).or(self.cidr.take());
        }
        self.cidr = self.cidr.take().map(|cidr| network(&cidr).unwrap_or(cidr));
        if let Some(group) = &mut self.group {
            group.settle("id");
            if own.is_some() && group.output("id").ok().as_deref() == own {
                *group = Link::literal(SELF);
            }
        }
        self.description = self.description.take().filter(|text| !text.is_empty());
    }

    /// Faults of the rule at `path`; `inward` = it lets traffic in.
    pub fn check(&self, path: &str, inward: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let peers = [self.cidr.is_some(), self.prefix_list.is_some(), self.group.is_some()].into_iter().filter(|given| *given).count();
        if peers != 1 {
            faults.push(Fault::wrong(path, format!("a rule has exactly one of cidr, prefixList and group; here are {peers}")));
        }
        faults.extend(self.check_protocol(path));
        match self.cidr.as_deref().map(|cidr| (cidr, network(cidr))) {
            Some((operator_ip::WORD, _)) | None => {}
            Some((cidr, None)) => faults.push(
                Fault::wrong(format!("{path}/cidr"), format!("`{cidr}` is not a network"))
                    .hint("write an address with its prefix length, for example 203.0.113.7/32, or operator-ip"),
            ),
            Some((_, Some(network))) if inward && network.ends_with("/0") => faults.push(
                Fault::refused("open-ingress", format!("{path}/cidr"), "this rule lets the whole internet in")
                    .hint("name the networks that need it, or write cidr: operator-ip"),
            ),
            Some(_) => {}
        }
        faults.extend(self.group.as_ref().and_then(|group| expect_kind(&format!("{path}/group"), group, &["SecurityGroup"])));
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 255 || !text.chars().all(describes)) {
            faults.push(Fault::wrong(
                format!("{path}/description"),
                "a description has at most 255 characters: letters, digits, blanks and . _ - : / ( ) # , @ [ ] + = & ; { } ! $ *",
            ));
        }
        faults
    }

    fn check_protocol(&self, path: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let spelled = protocol(&self.protocol);
        if !["tcp", "udp", "icmp", "icmpv6", ALL].contains(&spelled.as_str()) && spelled.parse::<u8>().is_err() {
            faults.push(
                Fault::wrong(format!("{path}/protocol"), format!("`{}` is not a protocol", self.protocol))
                    .hint("write tcp, udp, icmp, icmpv6, all, or a number from 0 to 255"),
            );
        }
        if matches!(spelled.as_str(), "tcp" | "udp") {
            let (first, last) = (self.port.unwrap_or(0), self.to_port.or(self.port).unwrap_or(65535));
            if !(0..=65535).contains(&first) || !(first..=65535).contains(&last) {
                faults.push(Fault::wrong(format!("{path}/port"), format!("{first} to {last} is not a range of ports")));
            }
        } else if spelled == ALL && (self.port.is_some() || self.to_port.is_some()) {
            faults.push(Fault::wrong(format!("{path}/port"), "a rule for all protocols has no ports"));
        }
        faults
    }
}

/// Characters AWS takes in descriptions (API reference of AuthorizeSecurityGroupIngress).
pub fn describes(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter)
}

fn protocol(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "-1" | ALL => ALL.to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        other => other.to_owned(),
    }
}

/// A network with its host bits cleared, as AWS stores it; a bare address is a network of one.
pub fn network(text: &str) -> Option<String> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u32>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    match address {
        IpAddr::V4(v4) => {
            let prefix = prefix.unwrap_or(32);
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(v4.to_bits() & mask)))
        }
        IpAddr::V6(v6) => {
            let prefix = prefix.unwrap_or(128);
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(format!("{}/{prefix}", std::net::Ipv6Addr::from_bits(v6.to_bits() & mask)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_have_one_spelling() {
        assert_eq!(network("203.0.113.7").as_deref(), Some("203.0.113.7/32"));
        assert_eq!(network("10.1.2.3/8").as_deref(), Some("10.0.0.0/8"));
        assert_eq!(network("1.2.3.4/0").as_deref(), Some("0.0.0.0/0"));
        assert_eq!(network("2001:DB8:0:0::1/64").as_deref(), Some("2001:db8::/64"));
        assert_eq!(network("::/0").as_deref(), Some("::/0"));
        for wrong in ["10.0.0.0/33", "10.0.0/8", "::/129", "/8", "10.0.0.0/", "example.org", "10.0.0.0/-1"] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_whole_internet_is_refused_in_any_spelling() {
        for cidr in ["0.0.0.0/0", "203.0.113.7/0", "::/0"] {
            let rule = Rule { protocol: "tcp".into(), port: Some(27017), cidr: Some(cidr.into()), ..Rule::default() };
            assert_eq!(rule.check("/ingress/0", true).first().and_then(|fault| fault.rule), Some("open-ingress"), "{cidr}");
            assert!(rule.check("/egress/0", false).is_empty());
        }
    }

    #[test]
    fn a_rule_needs_one_peer() {
        let none = Rule { protocol: "tcp".into(), ..Rule::default() };
        let two = Rule { cidr: Some("10.0.0.0/8".into()), group: Some(Link::literal(SELF)), ..none.clone() };
        assert_eq!((none.check("", true).len(), two.check("", true).len()), (1, 1));
    }

    #[test]
    fn spellings_of_one_rule_are_equal() {
        let spelled = |protocol: &str, port, to_port, cidr: &str| {
            let mut rule = Rule { protocol: protocol.into(), port, to_port, cidr: Some(cidr.into()), ..Rule::default() };
            rule.canonical(Some("sg-1"), Some("203.0.113.7/32"));
            rule
        };
        assert_eq!(spelled("TCP", Some(22), None, "operator-ip"), spelled("6", Some(22), Some(22), "203.0.113.7"));
        assert_eq!(spelled("-1", None, None, "10.0.0.0/8"), spelled("all", Some(-1), Some(-1), "10.9.9.9/8"));
        assert_eq!(spelled("tcp", None, None, "::/0"), spelled("tcp", Some(0), Some(65535), "::0/0"));
    }

    #[test]
    fn the_group_itself_is_self() {
        let mut rule = Rule { protocol: "all".into(), group: Some(Link::literal("sg-1")), ..Rule::default() };
        rule.canonical(Some("sg-1"), None);
        assert_eq!(rule.group, Some(Link::literal(SELF)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            if let Some(spelled) = network(&text) {
                prop_assert_eq!(network(&spelled), Some(spelled.clone()));
            }
        }

        #[test]
        fn a_network_is_a_fixed_point(bits: u32, prefix in 0u32..=32) {
            let spelled = network(&format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(bits))).expect("a network");
            prop_assert_eq!(network(&spelled), Some(spelled.clone()));
        }
    }
}

//! How the box looks at the outside beside its upstreams: witnesses, and its own link.

use gateway::settings::{OutsideSettings, UpstreamSettings, WitnessHow, WitnessSettings};

use super::{Check, ConfigError, raw};

impl Check {
    /// Where nothing leads out of the building there is nothing to ask outside, unless the file names it.
    pub(super) fn outside(
        &self,
        given: Vec<raw::Witness>,
        with_usual: bool,
        upstreams: &[UpstreamSettings],
    ) -> Result<OutsideSettings, ConfigError> {
        let leads_out = upstreams.iter().any(UpstreamSettings::is_outside);
        let witnesses = match given.is_empty() {
            true if with_usual && leads_out => WitnessSettings::usual(),
            _ => given.into_iter().map(|witness| self.witness(witness)).collect::<Result<_, _>>()?,
        };
        Ok(OutsideSettings { witnesses, watches_link: leads_out, remembers_addresses: leads_out })
    }

    fn witness(&self, raw: raw::Witness) -> Result<WitnessSettings, ConfigError> {
        let place = format!("[[witness]] \"{}\"", raw.name);
        let how = match (raw.tcp, raw.dns) {
            (Some(text), None) => WitnessHow::Tcp(text.parse().map_err(|_| {
                let what = format!(
                    "tcp = \"{text}\" is no address with a port, such as \"9.9.9.9:443\"; a name would hang on DNS"
                );
                self.wrong(&place, what)
            })?),
            (None, Some(name)) if is_host_name(&name) => WitnessHow::Dns(name),
            (None, Some(name)) => {
                return Err(self.wrong(&place, format!("dns = \"{name}\" is no host name, such as \"example.org\"")));
            }
            _ => return Err(self.wrong(&place, "give one of tcp = \"address:port\" and dns = \"name\"")),
        };
        Ok(WitnessSettings { name: raw.name, how })
    }
}

fn is_host_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=253).contains(&name.len()) && name.chars().all(plain)
}

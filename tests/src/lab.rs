//! A building, its router and a small internet in network namespaces: real cables, routes, name servers and filters.
//!
//! ```text
//!   lan ──── box ──── router ──┬── alpha      198.51.100.10  api.alpha.test
//!   192.168.77.0/24   nftables ├── beta       203.0.113.10   api.beta.test
//!                  10.20.0.0/24└── services   192.0.2.0/24   name server, witnesses, impostors
//! ```
//!
//! The host's own network is not touched. Each namespace lives as long as a process that waits for the end of its
//! input, so all of them go when the lab is dropped, when a test panics and when it is killed.

mod cutter;
mod names;
mod namespace;
mod witness;

pub use cutter::Cutter;
pub use names::Answering;
pub use namespace::Namespace;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use crate::fake_cloud::Place;
use crate::test_appliance::Builder;
use crate::{Authority, FakeCloud, TestAppliance};
use names::NameServer;
use witness::Witness;

/// Where the box's HTTPS listener is for the building.
const BOX_ON_LAN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 77, 1)), 8443);
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The witnesses that the product ships with; here they are ours.
const WITNESSES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(9, 9, 9, 9)];
/// The port of a cloud and of a witness.
const HTTPS: u16 = 443;

/// A cloud of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Alpha,
    Beta,
}

/// Something that answers in place of a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impostor {
    /// Under the right name with a certificate that the box trusts, as a proxy of the house has.
    Trusted,
    /// Under the right name, of an authority that nobody knows.
    OtherAuthority,
    /// Of the right authority, under another name.
    OtherName,
}

/// The building and its internet.
pub struct Lab {
    inside: Namespace,
    router: Namespace,
    lan: Namespace,
    clouds: [Namespace; 2],
    services: Namespace,
    authority: Authority,
    names: NameServer,
    _witnesses: [Witness; 3],
    folder: tempfile::TempDir,
}

impl Site {
    pub fn name(self) -> &'static str {
        match self {
            Site::Alpha => "alpha",
            Site::Beta => "beta",
        }
    }

    fn host(self) -> String {
        format!("api.{}.test", self.name())
    }

    fn address(self) -> Ipv4Addr {
        match self {
            Site::Alpha => Ipv4Addr::new(198, 51, 100, 10),
            Site::Beta => Ipv4Addr::new(203, 0, 113, 10),
        }
    }
}

impl Impostor {
    fn address(self) -> SocketAddr {
        let last = match self {
            Impostor::Trusted => 91,
            Impostor::OtherAuthority => 92,
            Impostor::OtherName => 93,
        };
        SocketAddr::new(Ipv4Addr::new(192, 0, 2, last).into(), HTTPS)
    }
}

impl Lab {
    /// Why there can be no lab here; none where it can.
    pub fn missing() -> Option<&'static str> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        match () {
            () if !rustix::process::geteuid().is_root() => Some("needs root"),
            () if !["ip", "nft", "unshare", "nsenter"].into_iter().all(there) => {
                Some("needs iproute2, nftables and util-linux")
            }
            () if !Namespace::possible() => Some("needs the right to make network namespaces"),
            () => None,
        }
    }

    /// Lays the cables and sets the routes; everything works.
    pub fn build() -> Lab {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let resolver = folder.path().join("resolv.conf");
        std::fs::write(&resolver, format!("nameserver {NAME_SERVER}\n")).expect("writable");
        let inside = Namespace::with_resolver(&resolver);
        let [router, lan, alpha, beta, services] = std::array::from_fn(|_| Namespace::new());
        router.shell("echo 1 > /proc/sys/net/ipv4/ip_forward");
        router.link("to-box", "10.20.0.1/24", &inside, "outside", "10.20.0.2/24", Some("10.20.0.1"));
        inside.link("lan", "192.168.77.1/24", &lan, "desk", "192.168.77.100/24", None);
        for (wire, far, near, address) in [
            ("to-alpha", &alpha, "198.51.100.1", "198.51.100.10/24"),
            ("to-beta", &beta, "203.0.113.1", "203.0.113.10/24"),
            ("to-services", &services, "192.0.2.1", "192.0.2.53/24"),
        ] {
            router.link(wire, &format!("{near}/24"), far, "uplink", address, Some(near));
        }
        for number in [91, 92, 93] {
            services.shell(&format!("ip addr add 192.0.2.{number}/24 dev uplink"));
        }
        router.filter(
            "add table ip lab\nadd chain ip lab nat { type nat hook prerouting priority -100; }\n\
             add chain ip lab forward { type filter hook forward priority 0; policy accept; }",
        );
        let names = NameServer::start(&services, SocketAddr::new(NAME_SERVER.into(), 53));
        for site in [Site::Alpha, Site::Beta] {
            names.knows(&site.host(), site.address());
        }
        let witnesses = WITNESSES.map(|address| {
            services.shell(&format!("ip addr add {address}/32 dev lo"));
            router.shell(&format!("ip route add {address} via {NAME_SERVER}"));
            Witness::start(&services, SocketAddr::new(address.into(), HTTPS))
        });
        let authority = Authority::new();
        Lab {
            inside,
            router,
            lan,
            clouds: [alpha, beta],
            services,
            authority,
            names,
            _witnesses: witnesses,
            folder,
        }
    }

    /// A cloud on TLS, up and well.
    pub fn cloud(&self, site: Site) -> FakeCloud {
        let namespace = self.clouds[usize::from(site == Site::Beta)].clone();
        let address = SocketAddr::new(site.address().into(), HTTPS);
        self.serve(site.name(), namespace, address, vec![site.host()], &self.authority)
    }

    /// An impostor of the clouds; nobody is led to it before [`Lab::redirect`].
    pub fn impostor(&self, kind: Impostor) -> FakeCloud {
        let unknown = Authority::new();
        let clouds = [Site::Alpha.host(), Site::Beta.host()];
        let (authority, hosts) = match kind {
            Impostor::Trusted => (&self.authority, clouds.to_vec()),
            Impostor::OtherAuthority => (&unknown, clouds.to_vec()),
            Impostor::OtherName => (&self.authority, vec!["portal.hotel.test".to_owned()]),
        };
        self.serve("impostor", self.services.clone(), kind.address(), hosts, authority)
    }

    fn serve(
        &self,
        name: &str,
        namespace: Namespace,
        address: SocketAddr,
        hosts: Vec<String>,
        authority: &Authority,
    ) -> FakeCloud {
        FakeCloud::at(name, Place { address, hosts, namespace: Some(namespace) }, authority)
    }

    /// A box in the building, reachable from the LAN over HTTPS and from itself.
    pub fn appliance(&self) -> Builder {
        TestAppliance::builder().in_namespace(self.inside.clone()).https_at(BOX_ON_LAN)
    }

    /// A client at a desk of the building.
    pub fn at_desk(&self, appliance: &TestAppliance) -> crate::Client {
        appliance.https_client().on(self.lan.clone())
    }

    /// Pulls the cable to the outside: the box loses its carrier.
    pub fn pull_cable(&self) {
        self.router.shell("ip link set to-box down");
    }

    pub fn plug_cable(&self) {
        self.router.shell("ip link set to-box up");
    }

    /// Pulls the cable to the building.
    pub fn pull_lan(&self) {
        self.lan.shell("ip link set desk down");
    }

    pub fn plug_lan(&self) {
        self.lan.shell("ip link set desk up");
    }

    /// The box's default route goes, as when DHCP takes it back.
    pub fn take_route(&self) {
        self.inside.shell("ip route del default");
    }

    pub fn give_route(&self) {
        self.inside.shell("ip route add default via 10.20.0.1");
    }

    /// Swallows everything between the box and the outside without a word.
    pub fn swallow_all(&self) {
        self.forward("iifname to-box drop\noifname to-box drop");
    }

    /// Swallows what goes to the clouds and to the witnesses; the name server still answers.
    pub fn swallow_all_but_names(&self) {
        self.forward(&format!("ip daddr {NAME_SERVER} accept\nip saddr {NAME_SERVER} accept\niifname to-box drop\noifname to-box drop"));
    }

    /// Swallows what goes to one cloud.
    pub fn swallow(&self, site: Site) {
        let address = site.address();
        self.forward(&format!("ip daddr {address} drop\nip saddr {address} drop"));
    }

    /// Refuses every connection of the box, those that run too; names are still found.
    pub fn refuse_all(&self) {
        self.forward("iifname to-box meta l4proto tcp reject with tcp reset");
    }

    /// Refuses with «no route to host», as a router does whose own line is down.
    pub fn unreachable_all(&self) {
        self.forward("iifname to-box reject with icmp type net-unreachable");
    }

    /// Loses so many of a hundred packets to and from the clouds, by chance.
    pub fn lose(&self, percent: u32) {
        let lost = format!("numgen random mod 100 < {percent} drop");
        self.forward(&format!(
            "iifname to-box tcp dport {HTTPS} {lost}\noifname to-box tcp sport {HTTPS} {lost}"
        ));
    }

    /// Leads new connections for a cloud to the impostor, and resets the ones that run.
    pub fn redirect(&self, site: Site, kind: Impostor) {
        let (from, to) = (site.address(), kind.address());
        self.router.filter(&format!("add rule ip lab nat ip daddr {from} tcp dport {HTTPS} dnat to {to}"));
        let rule = format!("ip daddr {from} tcp dport {HTTPS} reject with tcp reset");
        self.router.filter(&format!(
            "add rule ip lab forward ct status dnat accept\nadd rule ip lab forward {rule}"
        ));
    }

    /// Takes back every filter and redirection.
    pub fn open_all(&self) {
        self.router.filter("flush chain ip lab forward\nflush chain ip lab nat");
    }

    /// The cloud's name leads first to an address in its network where nobody is.
    pub fn first_lead_nowhere(&self, site: Site) {
        let [a, b, c, _] = site.address().octets();
        self.names.knows(&site.host(), Ipv4Addr::new(a, b, c, 9));
    }

    /// What the name server does from here on.
    pub fn names(&self, answering: Answering) {
        self.names.answer(answering);
    }

    fn forward(&self, rules: &str) {
        let rules: Vec<_> = rules.lines().map(|rule| format!("add rule ip lab forward {rule}")).collect();
        self.router.filter(&format!("flush chain ip lab forward\n{}", rules.join("\n")));
    }

    /// The authority of the clouds, for an upstream's `ca_file`.
    pub fn ca_file(&self) -> PathBuf {
        let file = self.folder.path().join("lab-ca.pem");
        std::fs::write(&file, self.authority.pem()).expect("writable");
        file
    }
}

//! A host of its own for a process: a network namespace whose packets can be dropped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::programs;

/// A namespace with one link to this machine, and no other network. It stays behind if the test process is killed.
pub struct Host {
    name: String,
    link: String,
    own: Ipv4Addr,
    gateway: Ipv4Addr,
}

/// A hardware address that no interface has: packets to it are dropped in silence, as by a broken switch.
const NOWHERE: &str = "02:00:00:00:00:01";

impl Host {
    /// Makes a host. `None`, with a message, where namespaces are forbidden.
    pub fn create() -> Option<Self> {
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{:x}-{number}", id());

        // 198.18.0.0/15 is for tests (RFC 2544): four addresses for each host.
        let subnet = (id() * 8 + number) % (1 << 15) * 4;
        let address =
            |last: u32| Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + subnet + last);
        let host = Self {
            name: format!("steno-{unique}"),
            link: format!("st{unique}"),
            own: address(2),
            gateway: address(1),
        };

        let added = Command::new("ip")
            .args(["netns", "add", &host.name])
            .output();
        if !added.is_ok_and(|output| output.status.success()) {
            crate::skip("network namespaces are not allowed here (needs root and iproute2)");
            return None;
        }
        host.connect();
        Some(host)
    }

    /// This machine's address on the link. Servers must listen there.
    pub fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// The words before a program's name that start it on this host. The process keeps its id.
    pub fn prefix(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Has programs that start on this host resolve names at port 53 of [`Host::gateway`].
    pub fn resolve_at_gateway(&self) {
        // `ip netns exec` binds the files of this folder over those in /etc.
        let folder = self.configuration();
        fs::create_dir_all(&folder).unwrap();
        let content = format!(
            "nameserver {}\noptions timeout:30 attempts:1\n",
            self.gateway
        );
        fs::write(folder.join("resolv.conf"), content).unwrap();
    }

    /// Listens on the loopback address of this host.
    pub fn listen_on_loopback(&self, port: u16) -> TcpListener {
        let namespace = File::open(Path::new("/var/run/netns").join(&self.name)).unwrap();
        // A thread of its own: it stays in the namespace.
        let bound = thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
        });
        bound.join().unwrap()
    }

    fn configuration(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }

    /// Drops all packets in both directions. Open connections get no error.
    pub fn drop_packets(&self) {
        let (own, gateway) = (self.own.to_string(), self.gateway.to_string());
        let to_nowhere = ["lladdr", NOWHERE, "nud", "permanent", "dev"];
        ip(&[&["neigh", "replace", &own], &to_nowhere[..], &[&self.link]].concat());
        self.ip_inside(&[&["neigh", "replace", &gateway], &to_nowhere[..], &["eth0"]].concat());
    }

    /// Delivers packets again.
    pub fn deliver_packets(&self) {
        let (own, gateway) = (self.own.to_string(), self.gateway.to_string());
        ip(&["neigh", "del", &own, "dev", &self.link]);
        self.ip_inside(&["neigh", "del", &gateway, "dev", "eth0"]);
    }

    fn connect(&self) {
        let (own, gateway) = (format!("{}/30", self.own), format!("{}/30", self.gateway));
        let peer = ["type", "veth", "peer", "name", "eth0", "netns", &self.name];
        ip(&[&["link", "add", &self.link], &peer[..]].concat());
        ip(&["addr", "add", &gateway, "dev", &self.link]);
        ip(&["link", "set", &self.link, "up"]);
        self.ip_inside(&["addr", "add", &own, "dev", "eth0"]);
        self.ip_inside(&["link", "set", "eth0", "up"]);
        self.ip_inside(&["link", "set", "lo", "up"]);
    }

    fn ip_inside(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.name], arguments].concat());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The link goes with the namespace's end of it, which may live as long as a process inside.
        Command::new("ip")
            .args(["link", "del", &self.link])
            .output()
            .ok();
        Command::new("ip")
            .args(["netns", "del", &self.name])
            .output()
            .ok();
        fs::remove_dir_all(self.configuration()).ok();
    }
}

fn ip(arguments: &[&str]) {
    programs::run(Command::new("ip").args(arguments));
}

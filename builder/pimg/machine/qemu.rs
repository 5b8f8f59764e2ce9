//! How QEMU is called: one process a node, and one that is their router.
//!
//! All hang on switches by Unix datagram sockets. QEMU's other way to join machines, multicast, gives every sender its
//! own frames back, which a Linux bridge takes for a loop. All paths are relative to the working directory of the
//! processes: a socket's path may be no longer than 104 bytes on macOS, 108 on Linux (unix(7)).

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::harness::{CHECK_SERIAL, PORT, SCRIPT_SERIAL};
use crate::profile::types::{Ipv4Network, MacAddress};

/// The program for nodes and router.
pub const PROGRAM: &str = "qemu-system-aarch64";

/// The LAN as QEMU's monitor knows it.
pub const LAN: &str = "lan";

/// The network of the second cards.
pub const BACKPLANE: &str = "back";

/// The router among the sockets: no host name has this character.
pub const ROUTER: &str = "_router";

/// What makes a machine fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// Translation of every instruction.
    Emulation,
    /// The host's own arm64 processor, by KVM; emulation where it may not be used.
    Kvm,
    /// The same on macOS.
    Hvf,
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name, for sockets.
    pub name: String,
    /// The raw image that is its card.
    pub card: PathBuf,
    /// Its NVMe disks, raw, in their order.
    pub disks: Vec<PathBuf>,
    /// The disk with the script that answers questions.
    pub script: PathBuf,
    /// The disk with the operator's script.
    pub check: Option<PathBuf>,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initrd: PathBuf,
    /// The kernel command line.
    pub command_line: String,
    /// The card on the LAN.
    pub lan_mac: MacAddress,
    /// The card on the backplane.
    pub backplane: Option<Backplane>,
    /// What makes it fast.
    pub accelerator: Accelerator,
    /// Its memory in MiB.
    pub memory: u32,
}

/// The second card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backplane {
    /// A USB card. QEMU's has an address that begins with 40, whatever it is given.
    Usb(MacAddress),
    /// A card with just this address, which no USB card of QEMU can have.
    Exact(MacAddress),
}

/// The socket over which a node is asked.
pub fn agent_socket(node: &str) -> String {
    format!("{node}.agent")
}

/// The socket of a node's monitor.
pub fn monitor_socket(node: &str) -> String {
    format!("{node}.monitor")
}

/// What follows the program's name for a node.
pub fn node_arguments(node: &Node) -> Vec<String> {
    let name = &node.name;
    let mut arguments = Arguments::default();
    arguments.processor(node.accelerator);
    arguments.pair("-m", node.memory.to_string());
    arguments.pair("-name", name).pair("-display", "none").pair("-serial", "stdio");
    arguments.pair("-monitor", format!("unix:{},server=on,wait=off", monitor_socket(name)));
    arguments.0.push("-nodefaults".to_owned());
    arguments.pair("-device", "virtio-rng-pci");
    arguments.pair("-kernel", node.kernel.display().to_string());
    arguments.pair("-initrd", node.initrd.display().to_string());
    arguments.pair("-append", &node.command_line);

    // what the guest wrote is in the host's page cache at once, so it outlives a QEMU that is killed
    arguments.drive("card", &node.card, "cache=unsafe,discard=unmap");
    arguments.pair("-device", "virtio-blk-pci,drive=card");
    arguments.drive("script", &node.script, "readonly=on");
    arguments.pair("-device", format!("virtio-blk-pci,drive=script,serial={SCRIPT_SERIAL}"));
    if let Some(check) = &node.check {
        arguments.drive("check", check, "readonly=on");
        arguments.pair("-device", format!("virtio-blk-pci,drive=check,serial={CHECK_SERIAL}"));
    }
    for (number, disk) in node.disks.iter().enumerate() {
        arguments.drive(&format!("data{number}"), disk, "cache=unsafe,discard=unmap");
        arguments.pair("-device", format!("nvme,drive=data{number},serial=DATA{number}"));
    }

    arguments.pair("-device", "virtio-serial-pci");
    arguments.pair("-chardev", format!("socket,id=agent,path={},server=on,wait=off", agent_socket(name)));
    arguments.pair("-device", format!("virtserialport,chardev=agent,name={PORT}"));

    arguments.pair("-netdev", cable(LAN, name));
    arguments.pair("-device", format!("virtio-net-pci,id={LAN}-card,netdev={LAN},mac={}", node.lan_mac));
    if let Some(backplane) = node.backplane {
        arguments.pair("-netdev", cable(BACKPLANE, name));
        match backplane {
            Backplane::Usb(mac) => {
                arguments.pair("-device", "qemu-xhci");
                arguments.pair("-device", format!("usb-net,netdev={BACKPLANE},mac={mac}"))
            }
            Backplane::Exact(mac) => {
                arguments.pair("-device", format!("virtio-net-pci,netdev={BACKPLANE},mac={mac}"))
            }
        };
    }
    arguments.0
}

/// The process that is gateway and way in.
#[derive(Clone, Debug)]
pub struct Router {
    /// The LAN.
    pub network: Ipv4Network,
    /// Its own address there, for which it answers.
    pub gateway: Ipv4Addr,
    /// The nodes on the LAN.
    pub nodes: Vec<RouterNode>,
    /// Whether nodes reach what this machine reaches, and this machine's loopback at the gateway's address.
    pub internet: bool,
}

/// One node, as the router knows it.
#[derive(Clone, Debug)]
pub struct RouterNode {
    /// Name, for sockets.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The port on this machine's loopback that leads to its ssh.
    pub ssh_port: Option<u16>,
}

/// What follows the program's name for the router: a machine without a processor, of which only the network is used.
pub fn router_arguments(router: &Router) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.pair("-M", "none").pair("-display", "none").pair("-monitor", "none").pair("-serial", "none");
    arguments.0.push("-nodefaults".to_owned());
    let mut user = format!("user,id=user,net={},host={},ipv6=off", router.network, router.gateway);
    if !router.internet {
        user += ",restrict=on";
    }
    for node in &router.nodes {
        if let Some(port) = node.ssh_port {
            user += &format!(",hostfwd=tcp:127.0.0.1:{port}-{}:22", node.address);
        }
    }
    arguments.pair("-netdev", user);
    // two networks without a card between them are joined by a hub
    arguments.pair("-netdev", "hubport,id=user-port,hubid=0,netdev=user");
    arguments.pair("-netdev", cable(LAN, ROUTER));
    arguments.pair("-netdev", format!("hubport,id={LAN}-port,hubid=0,netdev={LAN}"));
    arguments.0
}

/// The socket of a machine's end of its cable to the switch of `network`.
pub fn machine_end(network: &str, machine: &str) -> String {
    format!("{machine}.{network}.machine")
}

/// The socket of the other end.
pub fn switch_end(network: &str, machine: &str) -> String {
    format!("{machine}.{network}.switch")
}

/// A machine's end of the cable to a switch; the network device is called as the network.
fn cable(network: &str, machine: &str) -> String {
    format!(
        "dgram,id={network},local.type=unix,local.path={},remote.type=unix,remote.path={}",
        machine_end(network, machine),
        switch_end(network, machine)
    )
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn pair(&mut self, option: &str, value: impl Into<String>) -> &mut Self {
        self.0.push(option.to_owned());
        self.0.push(value.into());
        self
    }

    fn processor(&mut self, accelerator: Accelerator) {
        let native = match accelerator {
            Accelerator::Emulation => {
                // quicker under emulation than newer ones
                self.pair("-M", "virt,gic-version=3").pair("-cpu", "cortex-a72");
                self.pair("-smp", "2").pair("-accel", "tcg,thread=multi");
                return;
            }
            Accelerator::Kvm => "kvm",
            Accelerator::Hvf => "hvf",
        };
        self.pair("-M", "virt,gic-version=max").pair("-cpu", "max").pair("-smp", "2");
        self.pair("-accel", native).pair("-accel", "tcg,thread=multi");
    }

    fn drive(&mut self, id: &str, file: &Path, more: &str) {
        self.pair("-drive", format!("if=none,id={id},file={},format=raw,{more}", shown(file)));
    }
}

/// A path as the value of a key of QEMU's takes it: a comma is doubled.
fn shown(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::{Accelerator, Backplane, Node, Router, RouterNode, node_arguments, router_arguments};
    use crate::profile::types::{Ipv4Network, MacAddress};

    fn node() -> Node {
        Node {
            name: "node-a".into(),
            card: "/w/a,b/card.img".into(),
            disks: vec!["/w/data0.img".into(), "/w/data1.img".into()],
            script: "/w/script.img".into(),
            check: Some("/w/check.img".into()),
            kernel: "/w/kernel".into(),
            initrd: "/w/initrd".into(),
            command_line: "root=/dev/vda2 quiet".into(),
            lan_mac: MacAddress([0x52, 0x54, 10, 10, 80, 50]),
            backplane: Some(Backplane::Usb(MacAddress([0x40, 0x54, 10, 10, 99, 50]))),
            accelerator: Accelerator::Emulation,
            memory: 2048,
        }
    }

    fn pairs(arguments: &[String]) -> String {
        arguments.join(" ").replace(" -", "\n-")
    }

    #[test]
    fn a_node_has_a_card_two_disks_two_networks_and_a_port() {
        insta::assert_snapshot!(pairs(&node_arguments(&node())), @r"
        -M virt,gic-version=3
        -cpu cortex-a72
        -smp 2
        -accel tcg,thread=multi
        -m 2048
        -name node-a
        -display none
        -serial stdio
        -monitor unix:node-a.monitor,server=on,wait=off
        -nodefaults
        -device virtio-rng-pci
        -kernel /w/kernel
        -initrd /w/initrd
        -append root=/dev/vda2 quiet
        -drive if=none,id=card,file=/w/a,,b/card.img,format=raw,cache=unsafe,discard=unmap
        -device virtio-blk-pci,drive=card
        -drive if=none,id=script,file=/w/script.img,format=raw,readonly=on
        -device virtio-blk-pci,drive=script,serial=pimg-test
        -drive if=none,id=check,file=/w/check.img,format=raw,readonly=on
        -device virtio-blk-pci,drive=check,serial=pimg-check
        -drive if=none,id=data0,file=/w/data0.img,format=raw,cache=unsafe,discard=unmap
        -device nvme,drive=data0,serial=DATA0
        -drive if=none,id=data1,file=/w/data1.img,format=raw,cache=unsafe,discard=unmap
        -device nvme,drive=data1,serial=DATA1
        -device virtio-serial-pci
        -chardev socket,id=agent,path=node-a.agent,server=on,wait=off
        -device virtserialport,chardev=agent,name=pimg.test
        -netdev dgram,id=lan,local.type=unix,local.path=node-a.lan.machine,remote.type=unix,remote.path=node-a.lan.switch
        -device virtio-net-pci,id=lan-card,netdev=lan,mac=52:54:0a:0a:50:32
        -netdev dgram,id=back,local.type=unix,local.path=node-a.back.machine,remote.type=unix,remote.path=node-a.back.switch
        -device qemu-xhci
        -device usb-net,netdev=back,mac=40:54:0a:0a:63:32
        ");
    }

    #[test]
    fn a_backplane_of_known_address_is_no_usb_card() {
        let mut node = node();
        node.backplane = Some(Backplane::Exact(MacAddress([0, 0xe0, 0x4c, 0x68, 0, 1])));
        node.accelerator = Accelerator::Kvm;
        let text = pairs(&node_arguments(&node));
        assert!(text.contains("virtio-net-pci,netdev=back,mac=00:e0:4c:68:00:01"), "{text}");
        assert!(!text.contains("usb") && text.contains("-accel kvm\n-accel tcg"), "{text}");
    }

    #[test]
    fn the_router_has_a_network_and_a_way_to_each_ssh() {
        let node = |name: &str, last: u8, ssh_port| RouterNode {
            name: name.into(),
            address: [10, 10, 80, last].into(),
            ssh_port,
        };
        let router = Router {
            network: Ipv4Network::new("10.10.80.0/24").expect("a network"),
            gateway: [10, 10, 80, 1].into(),
            nodes: vec![node("node-a", 50, Some(2201)), node("node-b", 51, None)],
            internet: false,
        };
        insta::assert_snapshot!(pairs(&router_arguments(&router)), @r"
        -M none
        -display none
        -monitor none
        -serial none
        -nodefaults
        -netdev user,id=user,net=10.10.80.0/24,host=10.10.80.1,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:2201-10.10.80.50:22
        -netdev hubport,id=user-port,hubid=0,netdev=user
        -netdev dgram,id=lan,local.type=unix,local.path=_router.lan.machine,remote.type=unix,remote.path=_router.lan.switch
        -netdev hubport,id=lan-port,hubid=0,netdev=lan
        ");
        let open = Router { internet: true, ..router };
        assert!(!pairs(&router_arguments(&open)).contains("restrict"));
    }
}

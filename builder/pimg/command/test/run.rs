//! The machines run: what they say is heard, their power is cut, their network comes, until all came where they should
//! or one cannot.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::super::outcome::DonePowerCut;
use super::super::request::TestNetwork;
use super::prepare::{Bench, Prepared};
use super::show::Shown;
use crate::failure::{Class, Failure};
use crate::host::machine::{Agent, Heard, Program, Stopwatch, tell};
use crate::host::switch::{Port, Switch};
use crate::host::{HostError, files};
use crate::machine::MachineError;
use crate::machine::console::{StepState, read_line};
use crate::machine::cuts::CutWatch;
use crate::machine::qemu::{
    BACKPLANE, LAN, PROGRAM, ROUTER, Router, RouterNode, agent_socket, machine_end, monitor_socket,
    node_arguments, router_arguments, switch_end,
};
use crate::machine::track::{Change, Track};

/// How long the loop sleeps at most: an interrupt is noticed so late.
const TICK: Duration = Duration::from_millis(200);

/// A node that says nothing for so long is asked for its status file.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a busy node may take to answer that.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long QEMU may take to listen.
const MONITOR: Duration = Duration::from_secs(30);

/// Longest error output of QEMU that is shown, in bytes.
const LONGEST_ERRORS: u64 = 1 << 20;

/// A node and the count of its power-ons: what a machine said before its power was cut is heard no more.
pub(super) type Source = (usize, u32);

/// A node under test.
pub(super) struct Running<'a> {
    pub(super) prepared: Prepared,
    pub(super) track: Track,
    pub(super) agent: Agent,
    pub(super) program: Program,
    pub(super) power_ons: u32,
    pub(super) cuts: Vec<DonePowerCut>,
    /// When it came to its end.
    pub(super) ended: Option<Duration>,
    schedule: CutWatch,
    shown: Shown<'a>,
    heard_at: Duration,
    is_on: bool,
}

/// All nodes, and what is between them.
pub(super) struct Rack<'a> {
    bench: &'a Bench<'a>,
    pub(super) nodes: Vec<Running<'a>>,
    router: Option<Program>,
    _switches: [Switch; 2],
    pub(super) watch: Stopwatch,
    sender: Sender<Heard<Source>>,
    heard: Receiver<Heard<Source>>,
}

/// Switches the machines on and waits until all nodes came where they should, one cannot, or the time is over. The
/// machines stay on.
///
/// # Errors
/// They cannot be started, or the operator asked to stop.
pub(super) fn run<'a>(bench: &'a Bench<'a>, prepared: Vec<Prepared>) -> Result<Rack<'a>, Failure> {
    let router = router(bench, &prepared)?;
    let (sender, heard) = channel();
    let switches = switches(bench.scratch.sockets(), &prepared)?;
    let watch = Stopwatch::start();
    let mut rack = Rack { bench, nodes: Vec::new(), router: None, _switches: switches, watch, sender, heard };
    let has_network = bench.request.network == TestNetwork::Always;
    if has_network {
        rack.start_router(&router)?;
    }
    for (index, prepared) in prepared.into_iter().enumerate() {
        rack.add(index, prepared)?;
        if !has_network {
            rack.set_link(index, "off")?;
        }
    }
    rack.wait(&router)?;
    Ok(rack)
}

/// What the cables of the machines lead to.
fn switches(sockets: &Path, prepared: &[Prepared]) -> Result<[Switch; 2], Failure> {
    let port = |network: &str, machine: &str| Port {
        here: sockets.join(switch_end(network, machine)),
        there: sockets.join(machine_end(network, machine)),
        is_router: machine == ROUTER,
    };
    let names = || prepared.iter().map(|node| node.machine.name.as_str());
    let lan = names().chain([ROUTER]).map(|name| port(LAN, name)).collect();
    let backplane = names().map(|name| port(BACKPLANE, name)).collect();
    Ok([Switch::start(lan)?, Switch::start(backplane)?])
}

/// One network for all nodes, or an error that says which two do not fit.
fn router(bench: &Bench<'_>, prepared: &[Prepared]) -> Result<Router, Failure> {
    let mut nodes = Vec::new();
    for (index, node) in prepared.iter().enumerate() {
        for other in prepared.iter().take(index) {
            let why = if node.machine.name == other.machine.name {
                "they have the same host name".to_owned()
            } else if node.address.address == other.address.address {
                format!("both have the address {}", node.address.address)
            } else if (node.gateway, node.address.network()) != (other.gateway, other.address.network()) {
                "they have different networks or gateways".to_owned()
            } else {
                continue;
            };
            let (a, b) = (other.machine.name.clone(), node.machine.name.clone());
            return Err(MachineError::Networks { a, b, why }.into());
        }
        let offset = u16::try_from(index).unwrap_or(u16::MAX);
        nodes.push(RouterNode {
            name: node.machine.name.clone(),
            address: node.address.address,
            ssh_port: bench.request.ssh_port.map(|first| first.saturating_add(offset)),
        });
    }
    let first = prepared.first().ok_or_else(|| MachineError::NoNetwork("there is no image".to_owned()))?;
    let internet = bench.request.internet;
    Ok(Router { network: first.address.network(), gateway: first.gateway, nodes, internet })
}

/// The last line of what QEMU said about its own errors.
fn last_error(work: &Path) -> Option<String> {
    let errors = files::read_optional(&work.join("qemu.log"), LONGEST_ERRORS).ok().flatten()?;
    let errors = String::from_utf8_lossy(&errors);
    let last = errors.lines().rev().find(|line| !line.trim().is_empty() && !line.contains("warning:"));
    last.map(|line| line.trim().to_owned())
}

impl<'a> Rack<'a> {
    fn start_router(&mut self, router: &Router) -> Result<(), Failure> {
        let dir = self.bench.scratch.work("router")?;
        let (log, errors) = (dir.join("serial.log"), dir.join("qemu.log"));
        let source = (usize::MAX, 0);
        let arguments = router_arguments(router);
        let sockets = self.bench.scratch.sockets();
        let sender = self.sender.clone();
        self.router = Some(Program::start(PROGRAM, &arguments, sockets, (&log, &errors), (source, sender))?);
        Ok(())
    }

    fn add(&mut self, index: usize, prepared: Prepared) -> Result<(), Failure> {
        let program = self.power_on((index, 1), &prepared)?;
        let now = self.watch.elapsed();
        self.nodes.push(Running {
            track: Track::new(prepared.goal.clone()),
            agent: Agent::default(),
            program,
            power_ons: 1,
            cuts: Vec::new(),
            ended: None,
            schedule: CutWatch::new(prepared.cuts.clone(), now),
            shown: Shown::new(&prepared.machine.name, self.bench.context.reporter),
            heard_at: now,
            is_on: true,
            prepared,
        });
        Ok(())
    }

    fn power_on(&self, source: Source, prepared: &Prepared) -> Result<Program, Failure> {
        let (log, errors) = (prepared.work.join("serial.log"), prepared.work.join("qemu.log"));
        let arguments = node_arguments(&prepared.machine);
        let sockets = self.bench.scratch.sockets();
        let hear = (source, self.sender.clone());
        Ok(Program::start(PROGRAM, &arguments, sockets, (&log, &errors), hear)?)
    }

    /// Plugs the node's LAN cable in or pulls it.
    fn set_link(&self, index: usize, state: &str) -> Result<(), HostError> {
        let Some(node) = self.nodes.get(index) else { return Ok(()) };
        let socket = self.bench.scratch.sockets().join(monitor_socket(&node.prepared.machine.name));
        tell(&socket, &format!("set_link {LAN}-card {state}"), MONITOR)
    }

    fn wait(&mut self, router: &Router) -> Result<(), Failure> {
        while !self.is_over() {
            self.bench.context.check_interrupt()?;
            self.listen();
            self.cut_power()?;
            self.ask_the_silent();
            self.plug_in(router)?;
            self.expect_router()?;
            let limit = self.bench.request.timeout;
            if self.watch.elapsed() >= limit {
                self.time_is_over(limit);
            }
        }
        // a terminal sends the signal to QEMU too, which then is what ended the nodes
        self.bench.context.check_interrupt()
    }

    /// One node that failed is enough, unless all are to be seen to their end: the others may wait for it for ever.
    fn is_over(&self) -> bool {
        let has_failed = |node: &Running<'_>| matches!(node.track.verdict(), Some(Err(_)));
        let is_done =
            |node: &Running<'_>| node.track.verdict() == Some(&Ok(())) && !node.schedule.is_pending();
        let waits_for_network = self.bench.request.network == TestNetwork::Late && self.router.is_none();
        if self.nodes.iter().any(has_failed) {
            let has_ended = |node: &Running<'_>| has_failed(node) || is_done(node);
            return !self.bench.request.keep_going || self.nodes.iter().all(has_ended);
        }
        self.nodes.iter().all(is_done) && !waits_for_network
    }

    /// Takes in what was said, or lets a moment go by.
    fn listen(&mut self) {
        let due = self.nodes.iter().filter_map(|node| node.schedule.due()).min();
        let now = self.watch.elapsed();
        let patience = due.map_or(TICK, |due| due.saturating_sub(now).min(TICK));
        match self.heard.recv_timeout(patience) {
            Ok(heard) => self.take_in(heard),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    pub(super) fn take_in(&mut self, heard: Heard<Source>) {
        let now = self.watch.elapsed();
        let ((index, power_on), line) = match heard {
            Heard::Line(source, line) => (source, Some(line)),
            Heard::End(source) => (source, None),
        };
        let Some(node) = self.nodes.get_mut(index).filter(|node| node.power_ons == power_on) else { return };
        node.heard_at = now;
        match line {
            Some(line) => {
                if let Some(event) = read_line(&line) {
                    let changes = node.track.hear(event, now);
                    node.changed(&changes, now);
                }
            }
            None => {
                node.is_on = false;
                let why = last_error(&node.prepared.work).map_or_else(
                    || "the machine switched itself off".to_owned(),
                    |error| format!("QEMU ended: {error}"),
                );
                node.fail(&why, now);
            }
        }
    }

    /// Cuts the power where its time has come, or where a node has outrun it.
    fn cut_power(&mut self) -> Result<(), Failure> {
        for index in 0..self.nodes.len() {
            let now = self.watch.elapsed();
            let Some(node) = self.nodes.get_mut(index) else { continue };
            let is_due = node.schedule.due().is_some_and(|due| due <= now);
            let is_done = node.schedule.is_pending() && node.track.verdict() == Some(&Ok(()));
            if !is_due && !is_done {
                continue;
            }
            node.program.kill();
            node.agent.disconnect();
            node.track.power_cut();
            node.power_ons += 1;
            let source = (index, node.power_ons);
            let program = match self.nodes.get(index) {
                Some(node) => self.power_on(source, &node.prepared)?,
                None => continue,
            };
            let now = self.watch.elapsed();
            let Some(node) = self.nodes.get_mut(index) else { continue };
            (node.program, node.heard_at) = (program, now);
            if let Some(cut) = node.schedule.done(now) {
                let after = cut
                    .after
                    .as_deref()
                    .map_or_else(|| "after the start".to_owned(), |step| format!("after `{step}` began"));
                node.shown.power_cut(&format!("{:.1} s {after}", cut.delay.as_secs_f64()));
                node.cuts.push(DonePowerCut { after: cut.after, delay: cut.delay, at: now });
            }
            if self.router.is_none() {
                self.set_link(index, "off")?;
            }
        }
        Ok(())
    }

    /// A line of the console may be torn by another; the status file says it again.
    fn ask_the_silent(&mut self) {
        for node in &mut self.nodes {
            let now = self.watch.elapsed();
            let is_silent = now.saturating_sub(node.heard_at) >= SILENCE;
            // the answer may take a while, and a power cut that is due must not wait for it
            if node.track.verdict().is_some() || !is_silent || node.schedule.due().is_some() {
                continue;
            }
            node.heard_at = now;
            let socket = self.bench.scratch.sockets().join(agent_socket(&node.prepared.machine.name));
            // a node that is just starting answers the next time
            if let Ok(status) = node.agent.ask(&socket, "status", PATIENCE) {
                let now = self.watch.elapsed();
                let changes = node.track.read_status(&status, now);
                node.changed(&changes, now);
            }
        }
    }

    /// Without the router the nodes would wait for each other until the time is over.
    fn expect_router(&mut self) -> Result<(), Failure> {
        if self.router.as_mut().is_none_or(|router| router.ended().is_none()) {
            return Ok(());
        }
        let why = last_error(&self.bench.scratch.work("router")?).unwrap_or_default();
        Err(Failure::new(Class::Host, format!("the network between the nodes ended: {why}")))
    }

    /// Lets the network come once every node has done what it can without.
    fn plug_in(&mut self, router: &Router) -> Result<(), Failure> {
        let is_waited_for = self.bench.request.network == TestNetwork::Late && self.router.is_none();
        let is_done = |node: &Running<'_>| node.track.verdict() == Some(&Ok(()));
        if !is_waited_for || !self.nodes.iter().all(is_done) {
            return Ok(());
        }
        self.start_router(router)?;
        for index in 0..self.nodes.len() {
            self.set_link(index, "on")?;
        }
        for node in &mut self.nodes {
            node.shown.say("the network comes");
            node.track.expect_finish();
            node.ended = None;
        }
        Ok(())
    }

    fn time_is_over(&mut self, limit: Duration) {
        let now = self.watch.elapsed();
        for node in &mut self.nodes {
            if node.track.verdict() == Some(&Ok(())) && !node.schedule.is_pending() {
                continue;
            }
            let open = match node.track.open_steps() {
                none if none.is_empty() && node.track.steps().is_empty() => "no step has begun".to_owned(),
                none if none.is_empty() => "no step is under way".to_owned(),
                open => open,
            };
            node.fail(&format!("not finished after {} s: {open}", limit.as_secs()), now);
        }
    }

    /// Waits until the machines have switched themselves off, at most `patience`; those that did not are killed.
    pub(super) fn wait_until_off(&mut self, patience: Duration) {
        let began = self.watch.elapsed();
        while self.nodes.iter().any(|node| node.is_on)
            && self.watch.elapsed().saturating_sub(began) < patience
        {
            if self.bench.context.reporter.interrupted() {
                break;
            }
            if let Ok(Heard::End((index, power_on))) = self.heard.recv_timeout(TICK)
                && let Some(node) = self.nodes.get_mut(index).filter(|node| node.power_ons == power_on)
            {
                node.is_on = false;
            }
        }
    }
}

impl Running<'_> {
    fn changed(&mut self, changes: &[Change], now: Duration) {
        for change in changes {
            self.shown.show(change, now);
            if let Change::Step(step) = change
                && step.state != StepState::Pending
            {
                self.schedule.step_begun(&step.name, now);
            }
            if matches!(change, Change::Reached | Change::Failed(_)) {
                self.ended = Some(now);
            }
        }
    }

    /// It will not come where it should.
    pub(super) fn fail(&mut self, why: &str, now: Duration) {
        let changes = self.track.fail(why);
        self.changed(&changes, now);
    }

    /// Whether it still runs, or did not switch itself off when it was told to.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }
}

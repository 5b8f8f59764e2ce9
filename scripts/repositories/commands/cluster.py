"""Members, quorum, the cluster's lock, and /etc/pve in step with the others.

Every node has a whole copy of /etc/pve and a version [count, nodeid] in it. Whoever changes it holds the lock of the
lowest member that answers, takes the newest copy first, and counts up; the others fetch it over ssh as root, at once
when they are asked something, else within seconds. `corosync` answers on port 5405.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import socket
import threading

import corosync_conf
from etc_pve import count_up, pull, version
from stand_in import ROOT, Refused, addresses_of, nodename, path, pve, read, write

PORT = 5405
NET = os.environ.get("STANDIN_NET", "")


def identity():
    """Tells clusters apart: a node that was made anew and has not joined is no member."""
    key = read(path("/etc/corosync/authkey"))
    return hashlib.sha256(key.encode()).hexdigest()[:16] if key else "none"


def ask(address, text):
    """One line of the `corosync` at an address, and the open connection; None when there is no answer."""
    try:
        connection = socket.create_connection((address, PORT), timeout=3)
        # an emulated machine may be slow to answer
        connection.settimeout(65 if text == "lock" else 10)
        connection.sendall(f"{text}\n".encode())
        line = connection.makefile().readline().split()
        return (line, connection) if line else None
    except OSError:
        return None


def ask_version(entry):
    """(version, address) of a member by the first link that answers"""
    for address in corosync_conf.links_of(entry).values():
        if ROOT:
            other = f"{NET}/{address}"
            key = f"{other}/etc/corosync/authkey"
            if os.path.exists(key) and read(key) == read(path("/etc/corosync/authkey")):
                text = read(f"{other}/etc/pve/.version")
                return (tuple(json.loads(text)["version"]) if text else (0, 0)), address
            continue
        answer = ask(address, "version")
        if answer:
            answer[1].close()
            if answer[0][0] == identity():
                return (int(answer[0][1]), int(answer[0][2])), address
    return None


def census():
    """name -> (version, address) of the members that answer, all asked at once"""
    seen = {}

    def one(name, entry):
        if (answer := ask_version(entry)) is not None:
            seen[name] = answer

    threads = [threading.Thread(target=one, args=item) for item in corosync_conf.load()["nodes"].items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def votes(seen):
    """(there, expected, needed)"""
    nodes = corosync_conf.load()["nodes"]
    there = sum(int(nodes[name].get("quorum_votes", 0)) for name in seen if name in nodes)
    expected = sum(int(entry.get("quorum_votes", 0)) for entry in nodes.values())
    lowered = read(path("/run/stand-in-expected")).strip()
    if lowered:
        expected = max(int(lowered), there)
    return there, expected, expected // 2 + 1


def quorate(seen=None):
    if not corosync_conf.exists():
        return True
    there, _, needed = votes(census() if seen is None else seen)
    return there >= needed


def require_quorum():
    if not quorate():
        raise Refused("cluster not ready - no quorum?")


def catch_up():
    """Takes the newest copy. It may name members that nobody here knew of, who then are asked too."""
    while True:
        known = corosync_conf.load()["nodes"].keys()
        seen = census()
        pull(seen)
        if corosync_conf.load()["nodes"].keys() <= known:
            return seen


def refresh():
    """The newest that any member has, before something is said about it."""
    if corosync_conf.exists():
        with flock("/run/lock/stand-in.lock"), contextlib.suppress(Refused):
            catch_up()


@contextlib.contextmanager
def flock(name):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def cluster_lock(lock, seen):
    """Held at the member with the lowest number of those that answer."""
    nodes = corosync_conf.load()["nodes"]
    first = min(seen, key=lambda name: int(nodes[name]["nodeid"]))
    if ROOT:
        yield
        return
    answer = ask(seen[first][1], "lock")
    if not answer or answer[0] != ["locked"]:
        raise Refused(f"cfs-lock '{lock}' error: got lock request timeout")
    with answer[1]:
        yield


@contextlib.contextmanager
def change(lock):
    """Around every change of /etc/pve: alone in the whole cluster, and on the newest copy."""
    with flock("/run/lock/stand-in.lock"):
        if not corosync_conf.exists():
            yield
            count_up()
            return
        seen = census()
        if not quorate(seen):
            raise Refused(f"cfs-lock '{lock}' error: no quorum!")
        with cluster_lock(lock, seen):
            catch_up()
            yield
            count_up()


def write_members():
    """/etc/pve/.members, as far as people read it"""
    conf = corosync_conf.load()
    seen = census() if conf["nodes"] else {}
    nodes = {name: {"id": int(entry["nodeid"]), "online": int(name in seen), "ip": entry.get("ring0_addr")}
             for name, entry in conf["nodes"].items()}
    text = {"nodename": nodename(), "version": version()[0]}
    if nodes:
        text["cluster"] = {"name": conf["totem"]["cluster_name"], "version": int(conf["totem"]["config_version"]),
                           "nodes": len(nodes), "quorate": int(quorate(seen))}
        text["nodelist"] = nodes
    else:
        text["nodelist"] = {nodename(): {"id": 0, "online": 1, "ip": (addresses_of(nodename()) or [None])[0]}}
    text = json.dumps(text, indent=1) + "\n"
    if read(pve(".members")) != text:
        write(pve(".members"), text)
    return seen

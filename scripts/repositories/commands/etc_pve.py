"""The node's copy of /etc/pve: its version [count, nodeid], and how it takes over another member's."""
import hashlib
import io
import json
import os
import subprocess
import tarfile
from contextlib import suppress

import corosync_conf
import guests
from stand_in import TREE, Refused, nodename, path, pve, read, write

# of this node alone, or made anew from the rest
OWN = ("local", "qemu-server", "lxc", ".members", ".vmlist", ".version")


def version():
    try:
        return tuple(json.loads(read(pve(".version")))["version"])
    except (ValueError, KeyError):
        return (0, 0)


def fetch(address):
    """{name: (mode, bytes)} of the copy at an address; directories have None"""
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", f"root@{address}", "/usr/share/stand-in/pmxcfs",
           "dump"]
    done = subprocess.run(ssh, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise Refused(f"no copy of /etc/pve from {address}: ssh ended with {done.returncode}")
    copy = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            name = os.path.normpath(member.name)
            if member.isdir():
                copy[name] = (member.mode, None)
            elif member.isfile():
                copy[name] = (member.mode, archive.extractfile(member).read())
    return copy


def files():
    """The shared part of the tree: name -> (mode, bytes or None)"""
    found = {}
    for folder, folders, names in os.walk(TREE):
        for name in folders + names:
            full = os.path.join(folder, name)
            short = os.path.relpath(full, TREE)
            if short in OWN or os.path.islink(full) or ".tmp." in name:
                continue
            with suppress(FileNotFoundError):
                content = None
                if not os.path.isdir(full):
                    with open(full, "rb") as file:
                        content = file.read()
                found[short] = (os.stat(full).st_mode & 0o777, content)
    return found


def mine(name):
    return name == f"nodes/{nodename()}" or name.startswith(f"nodes/{nodename()}/")


def pull(seen, whole=False):
    """Takes the newest copy. What is below nodes/SELF stays, unless this node starts from nothing (`whole`)."""
    others = [answer for name, answer in seen.items() if name != nodename()]
    newest = max(others, default=None)
    if newest is None or newest[0] <= version():
        return
    copy, here = fetch(newest[1]), files()
    number = json.loads(copy.pop(".version")[1])["version"]
    whole = whole or version()[0] == 0
    for name in sorted(set(here) - set(copy), reverse=True):
        if whole or not mine(name):
            with suppress(OSError):   # a folder that is not empty: something is being written there
                (os.rmdir if here[name][1] is None else os.remove)(pve(name))
    for name in sorted(copy):
        mode, content = copy[name]
        if not whole and mine(name):
            continue
        if content is None:
            os.makedirs(pve(name), exist_ok=True)
        elif here.get(name) != copy[name]:
            write(pve(name), content, mode)
    keep(number)
    if not whole and {n: c for n, c in here.items() if mine(n)} != {n: c for n, c in copy.items() if mine(n)}:
        count_up()


def fingerprint():
    return hashlib.sha256(repr(sorted(files().items())).encode()).hexdigest()


def written_past_us():
    """Whether somebody wrote into /etc/pve since the version was last counted."""
    return fingerprint() != read(path("/var/lib/pve-cluster/counted"))


def keep(number):
    """The tree has this version now: what is derived from it follows."""
    write(pve(".version"), json.dumps({"version": list(number)}) + "\n")
    if corosync_conf.exists() and os.path.isdir(path("/etc/corosync")):
        write(path("/etc/corosync/corosync.conf"), read(pve("corosync.conf")), 0o644)
    write(pve(".vmlist"), json.dumps({"version": number[0], "ids": guests.everywhere()}, indent=1) + "\n")
    write(path("/var/lib/pve-cluster/counted"), fingerprint())


def count_up():
    entry = corosync_conf.load()["nodes"].get(nodename(), {})
    keep((version()[0] + 1, int(entry.get("nodeid", 0))))

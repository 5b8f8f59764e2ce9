"""/etc/pve/corosync.conf, read and written as PVE::Corosync does."""
import os
import re

from stand_in import pve, read

LINK = re.compile(r"ring(\d+)_addr")


def exists():
    return os.path.isfile(pve("corosync.conf"))


def load(text=None):
    """{"totem": {...}, "interface": {number: {...}}, "nodes": {name: {...}}, "quorum": …, "logging": …}"""
    tokens = re.sub(r"#.*", "", read(pve("corosync.conf")) if text is None else text).split()
    conf = {"totem": {}, "interface": {}, "nodes": {}, "quorum": {}, "logging": {}}
    stack = []
    while tokens:
        token = tokens.pop(0)
        if tokens and tokens[0] == "{":
            tokens.pop(0)
            stack.append((token, {}))
        elif token == "}" and stack:
            name, section = stack.pop()
            if name == "node":
                conf["nodes"][section["name"]] = section
            elif name == "interface":
                conf["interface"][section["linknumber"]] = section
            elif name in conf:
                conf[name] = section
        elif stack and token.endswith(":") and tokens:
            stack[-1][1][token[:-1]] = tokens.pop(0)
    return conf


def dump(conf):
    def section(name, entries, inner=""):
        pad = "  " if name in ("node", "interface") else ""
        lines = [f"{pad}  {key}: {entries[key]}" for key in sorted(entries)]
        return "\n".join([f"{pad}{name} {{", *([inner] if inner else []), *lines, f"{pad}}}"])

    nodes = "\n".join(section("node", conf["nodes"][name]) for name in sorted(conf["nodes"]))
    links = "\n".join(section("interface", conf["interface"][name]) for name in sorted(conf["interface"]))
    parts = [section("logging", conf["logging"]), f"nodelist {{\n{nodes}\n}}", section("quorum", conf["quorum"]),
             section("totem", conf["totem"], links)]
    return "\n\n".join(parts) + "\n\n"


def new(cluster, node, nodeid, votes, links):
    """`links`: number -> (address, priority or None)"""
    entry = {"name": node, "nodeid": str(nodeid), "quorum_votes": str(votes)}
    interface = {}
    for number, (address, priority) in links.items():
        entry[f"ring{number}_addr"] = address
        interface[number] = {"linknumber": number}
        if priority:
            interface[number]["knet_link_priority"] = priority
    totem = {"version": "2", "secauth": "on", "cluster_name": cluster, "config_version": "1",
             "ip_version": "ipv4-6", "link_mode": "passive"}
    return {"totem": totem, "interface": interface, "nodes": {node: entry},
            "quorum": {"provider": "corosync_votequorum"}, "logging": {"to_syslog": "yes", "debug": "off"}}


def links_of(entry):
    """number -> address"""
    return {match[1]: value for key, value in entry.items() if (match := LINK.fullmatch(key))}


def link_arguments(given):
    """Those of --link0 to --link7 that were given: number -> (address, priority or None)"""
    links = {}
    for number in map(str, range(8)):
        value = given.get(f"link{number}")
        if value:
            address, _, rest = value.removeprefix("address=").partition(",")
            links[number] = (address, rest.removeprefix("priority=") or None)
    return links

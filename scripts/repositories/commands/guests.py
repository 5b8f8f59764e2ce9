"""The configurations of guests below /etc/pve/nodes."""
import os
import re

from stand_in import pve, read


def everywhere():
    """VMID -> {node, type}"""
    found = {}
    nodes = pve("nodes")
    for node in sorted(os.listdir(nodes)) if os.path.isdir(nodes) else []:
        folder = f"{nodes}/{node}/qemu-server"
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            if match := re.fullmatch(r"(\d+)\.conf", name):
                found[match[1]] = {"node": node, "type": "qemu", "version": 1}
    return found


def config(node, vmid):
    """option -> value, None when there is no such guest"""
    name = pve(f"nodes/{node}/qemu-server/{vmid}.conf")
    if not os.path.isfile(name):
        return None
    return dict(line.split(": ", 1) for line in read(name).splitlines() if ": " in line)

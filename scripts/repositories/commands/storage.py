"""/etc/pve/storage.cfg, and what lies in a storage."""
import os
import re

import cluster
from stand_in import Refused, nodename, output, path, pve, read, run, write

FOLDERS = {"iso": "template/iso", "vztmpl": "template/cache", "backup": "dump", "snippets": "snippets",
           "images": "images", "rootdir": "private", "import": "import"}
CONTENT = {"dir": {"images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import"}, "zfspool": {"images", "rootdir"}}
LOCAL = {"type": "dir", "path": "/var/lib/vz", "content": "backup,vztmpl,iso"}
# option -> kind; `fixed` ones cannot be set later
OPTIONS = {
    "dir": {"path": "string", "content": "string", "nodes": "string", "disable": "boolean", "shared": "boolean",
            "is_mountpoint": "string", "create-base-path": "boolean", "create-subdirs": "boolean", "mkdir": "boolean",
            "prune-backups": "string", "preallocation": "string", "format": "string", "bwlimit": "string",
            "content-dirs": "string", "max-protected-backups": "integer", "snapshot-as-volume-chain": "boolean"},
    "zfspool": {"pool": "string", "blocksize": "string", "sparse": "boolean", "content": "string", "nodes": "string",
                "disable": "boolean", "bwlimit": "string", "mountpoint": "string"},
}
FIXED = {"dir": ("path",), "zfspool": ("pool",)}


def load():
    """storage -> its options, `type` among them; `local` is there unasked"""
    found, current = {}, None
    for line in read(pve("storage.cfg")).splitlines():
        if match := re.fullmatch(r"(\w+):\s*(\S+)", line):
            current = found[match[2]] = {"type": match[1]}
        elif current is not None and line.strip():
            key, _, value = line.strip().partition(" ")
            current[key] = value.strip() or "1"
    found.setdefault("local", dict(LOCAL))
    return found


def save(storages):
    parts = []
    for name, entry in storages.items():
        lines = [f"\t{key} {value}" for key, value in entry.items() if key != "type"]
        parts.append("\n".join([f"{entry['type']}: {name}", *lines]))
    write(pve("storage.cfg"), "\n\n".join(parts) + "\n\n")


def get(name):
    entry = load().get(name)
    if entry is None:
        raise Refused(f"storage '{name}' does not exist")
    return entry


def enabled(entry):
    nodes = entry.get("nodes")
    return entry.get("disable") != "1" and (not nodes or nodename() in nodes.split(","))


def pool_is_there(entry):
    pool = entry["pool"].split("/")[0]
    return pool in (output("zpool", "list", "-o", "name", "-H", pool) or "").split()


def activate(name, entry):
    """Uses the storage for the first time on this node."""
    if entry["type"] == "zfspool":
        pool = entry["pool"].split("/")[0]
        if not pool_is_there(entry):
            try:
                done = run("zpool", "import", "-d", "/dev/disk/by-id/", "-o", "cachefile=none", pool, capture_output=True)
                text, failed = done.stderr.strip(), done.returncode != 0
            except FileNotFoundError:
                text, failed = "no such command: zpool", True
            if failed:
                raise Refused(f"could not activate storage '{name}', zfs error: {text}")
        if output("zfs", "get", "-o", "value", "-Hp", "available", entry["pool"]) is None:
            raise Refused(f"could not activate storage '{name}', zfs error: cannot open '{entry['pool']}': dataset does "
                          "not exist")
        return
    where = path(entry["path"])
    mountpoint = entry.get("is_mountpoint", "no")
    if mountpoint not in ("no", "0") and not os.path.ismount(where if mountpoint in ("yes", "1") else path(mountpoint)):
        raise Refused(f"unable to activate storage '{name}' - directory is expected to be a mount point but is not "
                      f"mounted: '{entry['path']}'")
    if "0" in (entry.get("create-base-path"), entry.get("mkdir")) and not os.path.isdir(where):
        raise Refused(f"unable to activate storage '{name}' - directory '{entry['path']}' does not exist or is "
                      "unreachable")
    for content in entry.get("content", "").split(","):
        if content in FOLDERS and entry.get("create-subdirs") != "0":
            os.makedirs(f"{where}/{FOLDERS[content]}", exist_ok=True)


def volume_path(volume):
    """STORAGE:iso/NAME and such -> the file; of a zfspool the device"""
    name, _, rest = volume.partition(":")
    entry = get(name)
    if entry["type"] == "zfspool":
        return path(f"/dev/zvol/{entry['pool']}/{rest}")
    kind, _, file = rest.partition("/")
    if kind not in FOLDERS and not kind.isdigit():
        raise Refused(f"unable to parse directory volume name '{rest}'")
    folder = FOLDERS.get(kind, f"images/{kind}")
    return path(f"{entry['path']}/{folder}/{file}")


def allocate(name, vmid, size):
    """A new disk of this size (GiB, or with a unit); its volume."""
    entry = get(name)
    if not enabled(entry):
        raise Refused(f"storage '{name}' is not available on node '{nodename()}'")
    if "images" not in entry.get("content", "").split(","):
        raise Refused(f"storage '{name}' does not support content-type 'images'")
    activate(name, entry)
    number = 0
    while True:
        disk = f"vm-{vmid}-disk-{number}"
        if entry["type"] == "zfspool":
            if output("zfs", "list", "-H", f"{entry['pool']}/{disk}") is None:
                break
        elif not os.path.exists(volume_path(f"{name}:{vmid}/{disk}.raw")):
            break
        number += 1
    size = f"{size}G" if size.replace(".", "").isdigit() else size
    if entry["type"] == "zfspool":
        sparse = ["-s"] if entry.get("sparse") == "1" else []
        done = run("zfs", "create", *sparse, "-V", size, f"{entry['pool']}/{disk}", capture_output=True)
        if done.returncode != 0:
            raise Refused(f"zfs error: {done.stderr.strip()}")
        return f"{name}:{disk}"
    file = volume_path(f"{name}:{vmid}/{disk}.raw")
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "wb") as image:
        image.truncate(int(float(size[:-1]) * {"K": 2**10, "M": 2**20, "G": 2**30}[size[-1]]))
    return f"{name}:{vmid}/{disk}.raw"


def free(volume):
    name, _, rest = volume.partition(":")
    entry = get(name)
    if entry["type"] == "zfspool":
        run("zfs", "destroy", "-r", f"{entry['pool']}/{rest}", capture_output=True)
    elif os.path.exists(volume_path(volume)):
        os.remove(volume_path(volume))


def locked(what):
    return Locked(what)


class Locked:
    """`with locked("create storage"):` around a change; its refusals begin with `create storage failed: `"""

    def __init__(self, what):
        self.what, self.inner = what, cluster.change("file-storage_cfg")

    def __enter__(self):
        try:
            self.inner.__enter__()
        except Refused as refused:
            raise Refused(f"{self.what} failed: {refused}") from refused

    def __exit__(self, kind, error, trace):
        self.inner.__exit__(kind, error, trace)
        if isinstance(error, Refused):
            raise Refused(f"{self.what} failed: {error}") from error

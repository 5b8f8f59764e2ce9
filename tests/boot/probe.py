# Runs inside the guest, as the only thing the test adds to it: prints one JSON line about what came up,
# then switches the machine off. It comes in as a disk, and its unit on the kernel command line.
import json
import os
import pwd
import subprocess
import time


def run(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def words(*command):
    return run(*command).split()


def addresses():
    found = {}
    for link in json.loads(run("ip", "-j", "addr")):
        local = [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet"]
        found[link["ifname"]] = local
    return found


def first_words(lines):
    return [line.split()[0] for line in lines.splitlines() if line.split()]


root = os.statvfs("/")
report = {
    "hostname": run("hostname"),
    "machine_id": run("cat", "/etc/machine-id"),
    "addresses": addresses(),
    "default_route": words("ip", "-4", "route", "show", "default"),
    "failed": first_words(run("systemctl", "--failed", "--plain", "--no-legend")),
    "users": sorted(u.pw_name for u in pwd.getpwall() if 1000 <= u.pw_uid < 60000),
    "root_password": run("passwd", "-S", "root").split()[1],
    "mounts": {m["target"]: m["fstype"] for m in json.loads(run("findmnt", "-J", "-l", "--real"))["filesystems"]},
    "root_options": run("findmnt", "-no", "OPTIONS", "/").split(","),
    "root_bytes": root.f_blocks * root.f_frsize,
    "root_free": root.f_bavail * root.f_frsize,
    "sshd": run("systemctl", "is-active", "ssh.service"),
    "sshd_settings": run("sshd", "-T").splitlines(),
    "cloud_init": run("cloud-init", "status").splitlines()[:1],
    "fstrim": [run("systemctl", "is-enabled", u) for u in ("fstrim.service", "fstrim.timer")],
    "resolves": words("getent", "ahostsv4", run("hostname"))[:1],
    "link_files": sorted(os.listdir("/etc/systemd/network")),
    "memory_cgroup": "memory" in run("cat", "/sys/fs/cgroup/cgroup.controllers").split(),
    "locale": run("cat", "/etc/default/locale"),
    "timezone": os.path.realpath("/etc/localtime"),
    "dpkg_audit": run("dpkg", "--audit"),
    "clock": int(run("date", "+%s")),
}
with open("/dev/console", "w") as console:
    console.write("\nPIMG-PROBE-READY " + json.dumps(report) + "\n")
# the test logs in by ssh and says so; without it the machine goes off all the same
for _ in range(600):
    if os.path.exists("/run/pimg-probe-go"):
        break
    time.sleep(0.2)
subprocess.run(["systemctl", "poweroff", "--no-block"])

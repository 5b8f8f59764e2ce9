# Runs inside the guest, as the only thing the test adds to it: says when dpkg is in the middle of its work, waits for
# the step that installs packages, prints one JSON line about what became of it, and switches the machine off.
import glob
import json
import os
import subprocess
import time

UNIT = "pimg-packages.service"
LOG = "/var/log/pimg/packages.log"
STATE = "/var/lib/pimg/packages"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def say(text):
    with open("/dev/console", "w") as console:
        console.write("\n" + text + "\n")


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def state():
    lines = run("systemctl", "show", UNIT, "-p", "ActiveState,SubState,Result,NRestarts").splitlines()
    return dict(line.split("=", 1) for line in lines)


unpacked = 0
while True:
    found = state()
    log = read(LOG)
    if log.count("\nUnpacking ") > unpacked:
        unpacked = log.count("\nUnpacking ")
        say(f"PIMG-UNPACKED {unpacked}")
    if os.path.exists("/var/lib/pimg/done/packages") and found["ActiveState"] == "active":
        break
    if found["ActiveState"] == "failed" or int(found["NRestarts"]) > 2:
        say("PIMG-STEP-FAILED " + json.dumps(found) + " " + log[-3000:])
        break
    time.sleep(0.5)

wanted = read(f"{STATE}/install").split()
versions = run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}:${Architecture}=${Version}\\n").splitlines()
report = {
    "unit": state(),
    "cards": sorted(os.listdir("/sys/class/net")),
    "wanted": wanted,
    "missing": [package for package in wanted if f"installed {package}" not in versions],
    "removed": [line for line in versions if line.startswith("installed nano:")],
    "audit": run("dpkg", "--audit"),
    "held": run("apt-mark", "showhold").split(),
    "automatic": run("apt-mark", "showauto").split(),
    "stamp": read("/var/lib/pimg/done/packages"),
    "left": glob.glob("/var/lib/pimg/repo*") + glob.glob("/etc/apt/sources.list.d/pimg*")
    + glob.glob(f"{STATE}/answers") + glob.glob(f"{STATE}/lists"),
    "sources": sorted(os.listdir("/etc/apt/sources.list.d")),
    "mailname": read("/etc/mailname"),
    "failed": run("systemctl", "--failed", "--plain", "--no-legend"),
    "check": subprocess.run(["apt-get", "check"], capture_output=True).returncode,
    "log": log[-3000:],
}
say("PIMG-PACKAGES " + json.dumps(report))
subprocess.run(["systemctl", "poweroff", "--no-block"])

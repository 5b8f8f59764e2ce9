"""`pvecm add`: this node joins a cluster over ssh."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

import cluster
import corosync_conf
import etc_pve
import node_setup
from stand_in import TREE, Refused, nodename, own_address, parse, path, pve, read, run, services, write

CONF, AUTHKEY = "/etc/pve/corosync.conf", node_setup.AUTHKEY
COMMON = {"link[0-7]": "link", "nodeid": "positive", "votes": "integer"}


def ssh_failed(text, *command, **options):
    if run(*command, **options).returncode != 0:
        raise Refused(text)


def add(argv):
    given = parse(argv, [("hostname", "string")], COMMON | {"force": "boolean", "fingerprint": "string",
                                                            "use_ssh": "boolean"})
    if os.getcwd() == "/etc/pve" or os.getcwd().startswith("/etc/pve/"):
        raise Refused("Navigate out of /etc/pve before running 'pvecm add', for example by running 'cd'.")
    host, links = given["hostname"], corosync_conf.link_arguments(given)
    if not given.get("use_ssh"):
        # the real one asks the terminal for root's password; there is none to give to a stand-in
        raise Refused(f"Please enter superuser (root) password for '{host}': "
                      "EOF while reading password (the stand-in joins with --use_ssh only)")
    node_setup.check_joinable(links, given.get("force"))
    node_setup.allow_root_login()
    node_setup.root_key()
    with cluster.change("file-authkey"):
        node_setup.shared_keys()
    ssh_failed("unable to copy ssh ID: command 'ssh-copy-id -i /root/.ssh/id_rsa root@%s' failed: exit code 1" % host,
               "ssh-copy-id", "-i", path("/root/.ssh/id_rsa"), f"root@{host}", capture_output=True,
               start_new_session=True)
    ssh = ["ssh", host, "-o", "BatchMode=yes", "pvecm"]
    answer = run(*ssh, "apiver", stdout=subprocess.PIPE)
    apiver = int(answer.stdout.strip() or 0)
    command = [*ssh, "addnode", nodename(), "--force", "1"]
    for option in ("nodeid", "votes"):
        if option in given:
            command += [f"--{option}", given[option]]
    for number, (address, _) in links.items():
        command += [f"--link{number}", address]
    if not links:
        command += ["--new_node_ip" if apiver else "--link0", own_address()]
        print(f"No cluster network links passed explicitly, fallback to local node IP '{own_address()}'")
    sys.stdout.flush()
    ssh_failed(f"unable to add node: command failed ({' '.join(command)})", *command)
    with tempfile.TemporaryDirectory() as work:
        print("copy corosync auth key", flush=True)
        ssh_failed(f"can't rsync data from host '{host}'", "rsync", "--rsh=ssh -l root -o BatchMode=yes", "-lpgoq",
                   f"[{host}]:{AUTHKEY}", f"[{host}]:{CONF}", work)
        finish_join(read(f"{work}/corosync.conf"), read(f"{work}/authkey"))


def finish_join(conf, authkey):
    write(path(AUTHKEY), authkey, 0o400)
    write(path("/etc/corosync/corosync.conf"), conf, 0o644)
    print("stopping pve-cluster service", flush=True)
    services("stop", "pve-cluster")
    # the node's own database goes: what counts from now on is the cluster's
    for name in os.listdir(TREE):
        full = pve(name)
        shutil.rmtree(full) if os.path.isdir(full) and not os.path.islink(full) else os.remove(full)
    write(pve("corosync.conf"), conf)
    services("start", "corosync", "pve-cluster")
    seen, asked = cluster.census(), False
    while not cluster.quorate(seen):
        if not asked:
            print("waiting for quorum...", end="", flush=True)
        asked = True
        time.sleep(1)
        seen = cluster.census()
    if asked:
        print("OK")
    with cluster.flock("/run/lock/stand-in.lock"):
        etc_pve.pull(seen, whole=True)
    node_setup.update_certificates(force=True)
    print("generated new node certificate, restart pveproxy and pvedaemon services", flush=True)
    services("reload-or-restart", "pvedaemon", "pveproxy")
    print(f"successfully added node '{nodename()}' to cluster.")

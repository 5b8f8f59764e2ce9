"""What PVE::Cluster::Setup does to a node: ssh, certificates, the checks before a join."""
import os
import re
import sys
import tempfile
import uuid

import cluster
import corosync_conf
import guests
from stand_in import Refused, local_addresses, nodename, own_address, path, pve, read, run, services, write

AUTHKEY = "/etc/corosync/authkey"


def allow_root_login():
    name = path("/etc/ssh/sshd_config")
    conf = read(name)
    if re.search(r"(?m)^PermitRootLogin\s+yes\s*$", conf):
        return
    changed, count = re.subn(r"(?m)^#?PermitRootLogin.*$", "PermitRootLogin yes", conf, count=1)
    write(name, changed if count else conf.rstrip("\n") + "\nPermitRootLogin yes\n", 0o644)
    services("reload-or-restart", "ssh")


def root_key():
    key = path("/root/.ssh/id_rsa")
    if not os.path.isfile(key + ".pub"):
        os.makedirs(os.path.dirname(key), mode=0o700, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "rsa", "-b", "4096", "-N", "", "-f", key)


def shared_keys():
    """root's authorized_keys becomes the cluster's, with what was in it."""
    mine, shared, backup = path("/root/.ssh/authorized_keys"), pve("priv/authorized_keys"), path(
        "/root/.ssh/authorized_keys.org")
    imported = not os.path.isfile(shared)
    if imported:
        write(shared, read(mine))
    if os.path.isfile(mine) and not os.path.islink(mine):
        os.replace(mine, backup)
    if not os.path.islink(mine):
        os.makedirs(os.path.dirname(mine), mode=0o700, exist_ok=True)
        os.symlink(path("/etc/pve/priv/authorized_keys"), mine)
    if imported and os.path.exists(backup):
        os.remove(backup)


def merge_keys():
    shared, backup = pve("priv/authorized_keys"), path("/root/.ssh/authorized_keys.org")
    lines = [*read(shared).splitlines(), *read(backup).splitlines(), read(path("/root/.ssh/id_rsa.pub")).strip()]
    kept = []
    for line in lines:
        if line and line not in kept:
            kept.append(line)
    write(shared, "\n".join(kept) + "\n")
    if os.path.exists(backup) and os.path.islink(path("/root/.ssh/authorized_keys")):
        os.remove(backup)


def node_folders(name):
    for folder in ("priv", f"nodes/{name}/lxc", f"nodes/{name}/qemu-server", f"nodes/{name}/openvz",
                   f"nodes/{name}/priv"):
        os.makedirs(pve(folder), exist_ok=True)


def openssl(*words):
    done = run("openssl", *words, capture_output=True)
    if done.returncode != 0:
        raise Refused(f"command 'openssl {' '.join(words)}' failed: {done.stderr}")


def certificates(force=False):
    """A CA for the cluster and a certificate for the node; on a curve, an RSA key takes a minute under emulation."""
    name = nodename()
    node_folders(name)
    ca_key, ca, key, cert = pve("priv/pve-root-ca.key"), pve("pve-root-ca.pem"), pve(f"nodes/{name}/pve-ssl.key"), pve(
        f"nodes/{name}/pve-ssl.pem")
    curve = ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out")
    if not (os.path.isfile(ca_key) and os.path.isfile(ca)):
        openssl(*curve, ca_key)
        openssl("req", "-batch", "-days", "3650", "-new", "-x509", "-nodes", "-key", ca_key, "-out", ca, "-subj",
                f"/CN=Proxmox Virtual Environment/OU={uuid.uuid4()}/O=PVE Cluster Manager CA/")
        force = True
    if not os.path.isfile(key):
        openssl(*curve, key)
        force = True
    if force or not os.path.isfile(cert):
        with tempfile.TemporaryDirectory() as work:
            names = f"subjectAltName=IP:127.0.0.1,DNS:localhost,IP:{own_address()},DNS:{name}\n"
            write(f"{work}/ext", names)
            openssl("req", "-batch", "-new", "-key", key, "-out", f"{work}/req", "-subj",
                    f"/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN={name}")
            openssl("x509", "-req", "-in", f"{work}/req", "-days", "730", "-out", f"{work}/cert", "-CAkey", ca_key,
                    "-CA", ca, "-set_serial", str(uuid.uuid4().int >> 65), "-extfile", f"{work}/ext")
            write(cert, read(f"{work}/cert"))
    for file in (ca_key, key):
        os.chmod(file, 0o600)


def host_key():
    match = re.search(r"(?m)^(ssh-rsa\s\S+)", read(path("/etc/ssh/ssh_host_rsa_key.pub")))
    if not match:
        raise Refused("can't parse /etc/ssh/ssh_host_rsa_key.pub")
    write(pve(f"nodes/{nodename()}/ssh_known_hosts"), f"{nodename()} {match[1]}")


def update_certificates(force=False, silent=False):
    def say(text):
        if not silent:
            print(text)

    if not cluster.quorate():
        if silent:
            return
        raise Refused("no quorum - unable to update files")
    root_key()
    with cluster.change("file-authkey"):
        shared_keys()
        say("(re)generate node files")
        if force:
            say("generate new node certificate")
        certificates(force)
        say("merge authorized SSH keys")
        merge_keys()
        host_key()


def check_joinable(links, force):
    errors = []
    if os.path.isfile(path(AUTHKEY)):
        errors.append(f"authentication key '{AUTHKEY}' already exists")
    if corosync_conf.exists():
        errors.append("cluster config '/etc/pve/corosync.conf' already exists")
    if guests.everywhere():
        errors.append("this host already contains virtual guests")
    if cluster.ask("127.0.0.1", "version") if not path("") else False:
        errors.append("corosync is already running, is this node already in a cluster?!")
    wanted = [("local node address", own_address())]
    wanted += [(f"link{number}", address) for number, (address, _) in sorted(links.items())]
    here = local_addresses()
    for what, address in wanted:
        if address not in here:
            errors.append(f"{what}: cannot use IP '{address}', not found on local node!\n")
    if errors:
        print("detected the following error(s):\n" + "".join(f"* {error}\n" for error in errors), end="",
              file=sys.stderr)
        if not force:
            raise Refused("Check if node may join a cluster failed!")
        print("\nWARNING : detected error but forced to continue!\n", file=sys.stderr)

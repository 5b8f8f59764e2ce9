"""What the commands that stand in for Proxmox's share: paths, refusals, and options as PVE::CLIHandler reads them.

With STANDIN_ROOT set every path is below that folder and no service is touched, so that one machine plays several
nodes; STANDIN_NET is then a folder with a link ADDRESS -> root for every address that answers.
"""
import os
import re
import subprocess
import sys

ROOT = os.environ.get("STANDIN_ROOT", "")
# /etc/pve is this folder, bound there by pmxcfs: read-only without quorum, and gone while pve-cluster is stopped
TREE = ROOT + ("/etc/pve" if ROOT else "/var/lib/pve-cluster/tree")


class Refused(Exception):
    """Ends the command with this text on stderr, as Perl's `die` does."""

    def __init__(self, text, code=255):
        super().__init__(text)
        self.code = code


def path(name):
    return ROOT + name


def pve(name):
    """A file of /etc/pve, writable also while /etc/pve itself is shown read-only."""
    return os.path.join(TREE, name)


def read(name, default=""):
    try:
        with open(name, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return default


def write(name, text, mode=0o640):
    """A file as a whole or not at all; private where the real one keeps it so."""
    os.makedirs(os.path.dirname(name), exist_ok=True)
    if "/priv/" in name:
        mode = 0o600
    part = f"{name}.tmp.{os.getpid()}"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, name)


def nodename():
    name = read(path("/etc/hostname")).strip() if ROOT else os.uname().nodename
    return name.split(".")[0]


def run(*command, **options):
    """A program of this machine; its failure is the caller's to name."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, text=True, check=False, **options)


def output(*command):
    """Its standard output and nothing else, or None when it failed or is not there."""
    try:
        done = run(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def services(*words):
    """systemctl; a failure is the command's failure, as with the real ones."""
    if ROOT:
        return
    if run("systemctl", *words).returncode != 0:
        raise Refused(f"command 'systemctl {' '.join(words)}' failed: exit code 1")


def addresses_of(name):
    """What /etc/hosts says of a name, loopback left out."""
    found = []
    for line in read(path("/etc/hosts")).splitlines():
        words = line.split("#")[0].split()
        if name in words[1:] and not words[0].startswith("127.") and words[0] != "::1":
            found.append(words[0])
    return found


def local_addresses():
    if ROOT:
        return read(path("/etc/addresses")).split()
    return re.findall(r" inet6? ([^/ ]+)", output("ip", "-o", "addr", "show") or "")


def is_mounted(folder):
    """os.path.ismount takes a folder bound from the same file system for none."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return any(line.split()[4] == folder for line in file)


def own_address():
    found = addresses_of(nodename())
    if not found:
        raise Refused(f"hostname lookup '{nodename()}' failed - failed to get address info for: {nodename()}: "
                      "Name or service not known")
    return found[0]


def bad_parameters(*texts):
    return Refused("400 Parameter verification failed.\n" + "\n".join(texts))


KINDS = {
    "string": r"[\s\S]*",
    "boolean": r"0|1|yes|no|on|off|true|false",
    "integer": r"-?\d+",
    "positive": r"[1-9]\d*",
    "node": r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?",
    "storage": r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]",
    "user": r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+",
    "vmid": r"[1-9]\d{2,8}",
    "link": r"(address=)?[0-9a-zA-Z.:-]+(,priority=\d+)?",
}


def kind_of(option, known):
    for pattern, kind in known.items():
        if re.fullmatch(pattern, option):
            return kind
    return None


def parse(argv, positional, known):
    """The named arguments as a dictionary. `positional`: (name, kind); `known`: option pattern -> kind."""
    given, plain, unknown = {}, [], []
    words = list(argv)
    while words:
        word = words.pop(0)
        match = re.fullmatch(r"--?([a-zA-Z][\w-]*)(=([\s\S]*))?", word)
        if not match:
            plain.append(word)
            continue
        option, value = match[1], match[3]
        kind = kind_of(option, known)
        if kind is None:
            unknown.append(f"Unknown option: {option}")
            continue
        if value is None and kind == "boolean":
            value = words.pop(0) if words and re.fullmatch(KINDS["boolean"], words[0]) else "1"
        elif value is None:
            if not words:
                raise Refused(f"Option {option} requires an argument\n400 unable to parse option")
            value = words.pop(0)
        given[option] = value
    if unknown:
        raise Refused("\n".join([*unknown, "400 unable to parse option"]))
    needed = [name for name, _ in positional]
    if len(plain) > len(needed):
        raise Refused("400 too many arguments")
    if len(plain) < len(needed):
        raise Refused("400 not enough arguments")
    kinds = dict(positional)
    given.update(zip(needed, plain))
    wrong = []
    for option, value in given.items():
        kind = kinds.get(option) or kind_of(option, known)
        if not re.fullmatch(KINDS[kind], value):
            reason = f"type check ('{kind}') failed - got '{value}'" if kind in ("integer", "positive", "boolean") \
                else f"invalid format - value does not look like a valid {kind}"
            wrong.append(f"{option}: {reason}")
        elif kind == "boolean":
            given[option] = value in ("1", "yes", "on", "true")
    if wrong:
        raise bad_parameters(*wrong)
    return given


def main(name, subcommands, argv):
    """Runs the subcommand. `subcommands`: words -> function(arguments)."""
    for length in (2, 1):
        function = subcommands.get(" ".join(argv[:length]))
        if function and len(argv) >= length:
            break
    else:
        known = "\n".join(f"       {name} {words}" for words in sorted(subcommands))
        print(f"ERROR: unknown command '{name} {' '.join(argv)}'\nUSAGE: {name} <COMMAND> [ARGS] [OPTIONS]\n{known}",
              file=sys.stderr)
        sys.exit(255)
    try:
        if not ROOT and not is_mounted("/etc/pve"):
            raise Refused("ipcc_send_rec[1] failed: Connection refused\n"
                          "Unable to load access control list: Connection refused", 111)
        sys.exit(function(argv[length:]) or 0)
    except Refused as refused:
        sys.stdout.flush()
        print(refused, file=sys.stderr)
        sys.exit(refused.code)
    except BrokenPipeError:
        sys.exit(141)

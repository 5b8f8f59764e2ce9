"""`ansible-inventory -i FILE --list` for every FILE given. Ansible takes a second to load, so each FILE has a fork of one
process that has loaded it.

Prints one JSON object, FILE -> what ansible-inventory printed, or null where it refused the file.
"""

import json
import os
import sys

os.environ["ANSIBLE_INVENTORY_ENABLED"] = "ini"
os.environ["ANSIBLE_INVENTORY_UNPARSED_FAILED"] = "1"
os.environ["ANSIBLE_DEPRECATION_WARNINGS"] = "0"

from ansible.cli.inventory import InventoryCLI  # noqa: E402  (reads the environment)


def run(path, output):
    """In the child: the exit code says whether Ansible took the file."""
    try:
        InventoryCLI(["ansible-inventory", "-i", path, "--list", "--output", output]).run()
    except SystemExit as end:
        return 0 if end.code in (0, None) else 1
    except Exception:  # whatever it is, Ansible stops there
        return 1
    return 0


def listed(path):
    output = path + ".json"
    child = os.fork()
    if child == 0:
        os._exit(run(path, output))
    _, status = os.waitpid(child, 0)
    if status != 0:
        return None
    with open(output, encoding="utf-8") as text:
        return json.load(text)


if __name__ == "__main__":
    json.dump({path: listed(path) for path in sys.argv[1:]}, sys.stdout)

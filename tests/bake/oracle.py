"""Prints what is below a directory, in the words of layer.rs."""
import hashlib, os, stat, sys

top = sys.argv[1]
for directory, names, files in os.walk(top):
    for name in names + files:
        path = os.path.join(directory, name)
        info = os.lstat(path)
        kind, content = stat.filemode(info.st_mode)[0], ""
        if kind == "l":
            content = os.readlink(path)
        elif kind == "-":
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        attributes = ""
        for key in sorted(os.listxattr(path, follow_symlinks=False)):
            if not key.startswith(("trusted.", "security.selinux")):
                attributes += f" {key}={os.getxattr(path, key, follow_symlinks=False).hex()}"
        mode = stat.S_IMODE(info.st_mode)
        print(f"{os.path.relpath(path, top)}\t{kind} {mode:04o} {info.st_uid}:{info.st_gid} {content}{attributes}")

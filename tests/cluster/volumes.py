"""Small file systems in memory, one for each data directory, mounted where nobody else sees them.

enter() puts the calling script into a mount namespace of its own, which ends with it. Needs root.
"""

import errno
import os
import shutil
import subprocess
import sys

INSIDE = "MERIDIAN_IN_MOUNTS"
FILLER = "filler"


def is_possible():
    return shutil.which("unshare") is not None and subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True,
        check=False).returncode == 0


def enter():
    """Starts the script again in a namespace of its own; returns there."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, "-B", *sys.argv])


class Volumes:
    def __init__(self, work, names, mebibytes):
        self.work, self.names, self.mebibytes = work, names, mebibytes

    def __enter__(self):
        for name in self.names:
            (self.work / name).mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mebibytes}m", "none",
                            str(self.work / name)], check=True)
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["umount", "--lazy", str(self.work / name)], check=False)

    def fill(self, name, leave_mebibytes):
        """All but that much is taken, or a little less as others write; to the last byte if 0."""
        with open(self.work / name / FILLER, "wb", buffering=0) as filler:
            for share in (1.0, 0.9, 0.5):  # who writes meanwhile may be quicker
                stats = os.statvfs(self.work / name)
                size = stats.f_bavail * stats.f_frsize - (max(leave_mebibytes, 8) << 20)
                if self._takes(lambda: os.posix_fallocate(filler.fileno(), 0,
                                                          max(int(size * share), 1))):
                    break
            filler.seek(0, os.SEEK_END)
            while leave_mebibytes == 0 and self._takes(lambda: filler.write(bytes(1 << 16))):
                pass

    @staticmethod
    def _takes(write):
        """False if the file system is full."""
        try:
            write()
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise
            return False
        return True

    def free(self, name):
        (self.work / name / FILLER).unlink()

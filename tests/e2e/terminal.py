"""Commands on a terminal, as a person sees them. Standard library only."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from meridian import check


class Terminal:
    """A command on a terminal of 80 columns."""

    def __init__(self, arguments, env, rows=40, columns=80):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # Its controlling terminal, so that keys become signals.
        self.process = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, env=env,
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.output = b""

    def read_until(self, pattern, patience):
        """Reads until the output matches; all of it if `pattern` is None."""
        end = time.monotonic() + patience
        while pattern is None or not re.search(pattern, self.output):
            check(time.monotonic() < end, f"no {pattern} in:\n{self.output.decode()}")
            ready, _, _ = select.select([self.master], [], [], 1)
            if not ready:
                continue
            try:
                got = os.read(self.master, 65536)
            except OSError:
                got = b""  # the other side is closed
            if not got:
                check(pattern is None, f"no {pattern} in:\n{self.output.decode()}")
                return
            self.output += got

    def type(self, keys):
        os.write(self.master, keys)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


def drawn_lines(output):
    """What was drawn in place: lines cleared behind their text."""
    lines = re.findall(r"(?:^|\n|F)([^\n]*?)\033\[K", output.decode().replace("\r", ""))
    return [re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", line) for line in lines]

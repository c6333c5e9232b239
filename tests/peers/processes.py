"""Processes that a test starts, and their end: whatever happens, none is left behind."""

import atexit
import os
import selectors
import signal
import subprocess
import sys
import time

READY_WITHIN = 60
END_WITHIN = 10

_started: list["Server"] = []


class Server:
    """A process that serves on loopback. It chooses a free port itself and prints where it listens."""

    def __init__(self, command: list, environment: dict, log):
        self.process = subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        _started.append(self)

    def lines_until(self, last) -> list[str]:
        """Its first lines, up to the one for which `last` holds; an error if it ends or says nothing."""
        lines, deadline, pending = [], time.monotonic() + READY_WITHIN, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise RuntimeError(f"{self.process.args[0]} was not ready within {READY_WITHIN} s")
                read = os.read(self.process.stdout.fileno(), 65536)
                if not read:
                    raise RuntimeError(f"{self.process.args[0]} ended before it was ready")
                *whole, pending = (pending + read).split(b"\n")
                for line in whole:
                    lines.append(line.decode())
                    if last(lines[-1]):
                        return lines

    def stop(self) -> None:
        """Ends it, gently and then not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_WITHIN)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(END_WITHIN)
        self.process.stdout.close()
        if self in _started:
            _started.remove(self)


def stop_all() -> None:
    """Ends everything that was started and not stopped yet."""
    for server in list(_started):
        server.stop()


def tidy_up_when_ended() -> None:
    """Has this process end what it started, also when it is itself told to end."""
    atexit.register(stop_all)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))

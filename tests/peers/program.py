"""Running the built program as an operator does, and keeping every byte it says."""

import base64
import os
import re
import resource
import selectors
import signal
import subprocess
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from environment import REPOSITORY

PROGRAM = REPOSITORY / "target" / "debug" / "portcullis"
# Far more than any run here takes; a run that hangs is a failure.
WITHIN = 240
END_WITHIN = 10


@dataclass
class Said:
    """What one invocation came to."""

    command: list[str]
    exit: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ portcullis {' '.join(self.command)}\n{self.out}{self.err}[exit {self.exit}]"


class Operator:
    """Somebody at a terminal, in a directory of his own, with one AWS key in his environment."""

    def __init__(self, directory: Path, key: dict | None):
        self.directory = directory
        self.count = 0
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory / "home"),
            "AWS_REGION": "us-east-1",
            # Where no credentials are given, none may be looked for outside this machine.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if key:
            self.environment["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
            self.environment["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
        (directory / "home").mkdir(parents=True, exist_ok=True)

    def runs(
        self,
        *arguments,
        typing: str = "",
        largest_file: int | None = None,
        keeping: tuple[int, ...] = (),
        **environment,
    ) -> Said:
        """Runs the program. What it says is kept in the directory, and so is searched with the rest.

        The file descriptors of `keeping` stay open in it.
        """
        command = [str(argument) for argument in arguments]
        done = subprocess.run(
            [str(PROGRAM), *command],
            cwd=self.directory,
            env=self.environment | environment,
            input=typing.encode(),
            capture_output=True,
            timeout=WITHIN,
            check=False,
            pass_fds=keeping,
            # With the signal ignored, writing past the limit fails as it does on a full disk.
            restore_signals=largest_file is None,
            preexec_fn=None if largest_file is None else lambda: full_disk(largest_file),
        )
        self.count += 1
        self.keep(self.count, done.stdout, done.stderr)
        return Said(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    def keep(self, number: int, out: bytes, err: bytes) -> None:
        """Keeps what an invocation said beside what it wrote."""
        (self.directory / f"said-{number}.out").write_bytes(out)
        (self.directory / f"said-{number}.err").write_bytes(err)

    def starts(self, *arguments) -> "Running":
        """Starts the program and leaves it running."""
        self.count += 1
        return Running(self, [str(argument) for argument in arguments])

    def case(self) -> Path:
        """The one case in his directory."""
        cases = [path for path in (self.directory / "cases").iterdir() if path.is_dir()]
        assert len(cases) == 1, f"one case was expected: {cases}"
        return cases[0]

    def cases(self) -> list[Path]:
        """Every case in his directory."""
        root = self.directory / "cases"
        return sorted(root.iterdir()) if root.is_dir() else []


class Running:
    """The program at work. What it says goes through pipes, which have no size that could be limited."""

    def __init__(self, operator: Operator, command: list[str]):
        self.operator, self.command, self.number = operator, command, operator.count
        self.process = subprocess.Popen(
            [str(PROGRAM), *command],
            cwd=operator.directory,
            env=operator.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            restore_signals=False,
            preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
        )
        self.deadline = time.monotonic() + WITHIN
        self.said = {self.process.stdout: b"", self.process.stderr: b""}
        self.open = selectors.DefaultSelector()
        for stream in self.said:
            self.open.register(stream, selectors.EVENT_READ)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.open.close()
        for stream in self.said:
            stream.close()

    def until_it_says(self, word: str) -> None:
        """Waits until a word stands in what it says; an error where it ends first."""
        while word.encode() not in self.said[self.process.stderr]:
            assert self._listen(), f"it ended without saying {word}: {self.said}"

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def let_files_grow_no_more(self, case: Path) -> None:
        """From now on it can write no file beyond the size its journal has: its disk is full."""
        size = (case / "journal.jsonl").stat().st_size
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, size))

    def end(self) -> Said:
        """Waits for its end."""
        while self._listen():
            pass
        code = self.process.wait(END_WITHIN)
        out, err = (self.said[stream] for stream in (self.process.stdout, self.process.stderr))
        self.operator.keep(self.number, out, err)
        return Said(self.command, code, out.decode(), err.decode())

    def _listen(self) -> bool:
        """Takes in what comes next; false once both streams have ended."""
        if not self.open.get_map():
            return False
        ready = self.open.select(max(0, self.deadline - time.monotonic()))
        assert ready, f"nothing came within {WITHIN} s: {self.said}"
        for key, _ in ready:
            read = os.read(key.fd, 65536)
            self.said[key.fileobj] += read
            if not read:
                self.open.unregister(key.fileobj)
        return True


def full_disk(largest: int) -> None:
    """Lets this process write no file beyond so many bytes: permission bits do not bind a root user."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


def leaks(directory: Path, secrets: set[str]) -> list[str]:
    """Where under a directory any of the secrets stands: as it is, or encoded as it may travel."""
    found = []
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found += [f"{path.name}" for secret in secrets if any(form in content for form in forms(secret))]
    return found


def forms(secret: str) -> set[bytes]:
    """A secret as itself, percent-encoded, escaped in JSON, in base64 and in hexadecimal."""
    plain = secret.encode()
    inner = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return {
        plain,
        urllib.parse.quote(secret, safe="").encode(),
        plain.replace(b"/", rb"\/"),
        plain.hex().encode(),
        *inner,
    }


def words(text: str) -> str:
    """Text with its runs of white space made one, so that line breaks do not matter."""
    return re.sub(r"\s+", " ", text)

"""The peers' own virtual environment: exactly the packages of requirements.txt, checked by hash."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PLACE = REPOSITORY / "target" / "peers-venv"
REQUIREMENTS = HERE / "requirements.txt"
# Stands in a finished environment and says what it was made from; an unfinished one has none.
MARK = PLACE / "made-from"

INSTALL_WITHIN = 900


def python() -> Path:
    """The environment's interpreter, made first where it is missing or made from something else."""
    interpreter = PLACE / "bin" / "python"
    if not (MARK.is_file() and MARK.read_text() == recipe() and interpreter.exists()):
        make(interpreter)
    return interpreter


def recipe() -> str:
    """What an environment is made from: the requirements and the interpreter."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"{digest} {sys.version_info[0]}.{sys.version_info[1]} {sys.prefix}\n"


def make(interpreter: Path) -> None:
    """Makes it anew. A package that is not to be had, or whose hash differs, is an error."""
    print(f"making the peers' environment in {PLACE.relative_to(REPOSITORY)}", flush=True)
    shutil.rmtree(PLACE, ignore_errors=True)
    run([sys.executable, "-m", "venv", PLACE])
    pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run([*pip, "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS])
    MARK.write_text(recipe())


def run(command: list) -> None:
    """Runs a command that must succeed."""
    subprocess.run([str(part) for part in command], check=True, timeout=INSTALL_WITHIN)

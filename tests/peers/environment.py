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
MARK = "made-from"

INSTALL_WITHIN = 900


def python(place: Path = PLACE, requirements: Path = REQUIREMENTS) -> Path:
    """The environment's interpreter, made first where it is missing or made from something else."""
    interpreter, mark = place / "bin" / "python", place / MARK
    made_from = recipe(requirements)
    if not (mark.is_file() and mark.read_text() == made_from and interpreter.exists()):
        make(place, requirements, interpreter)
        mark.write_text(made_from)
    return interpreter


def recipe(requirements: Path) -> str:
    """What an environment is made from: the requirements and the interpreter."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    return f"{digest} {sys.version_info[0]}.{sys.version_info[1]} {sys.prefix}\n"


def make(place: Path, requirements: Path, interpreter: Path) -> None:
    """Makes it anew. A package that is not to be had, or whose hash differs, is an error."""
    print(f"making the environment {place.relative_to(REPOSITORY)}", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    run([sys.executable, "-m", "venv", place])
    pip = [interpreter, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run([*pip, "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", requirements])


def run(command: list) -> None:
    """Runs a command that must succeed."""
    subprocess.run([str(part) for part in command], check=True, timeout=INSTALL_WITHIN)

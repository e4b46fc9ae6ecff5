"""Virtual environments for what the benchmarks compare with or measure: other tools, and servers."""

import subprocess
import venv
from collections.abc import Callable
from pathlib import Path


def make_environment(
    folder: Path, *requirements: str, adapt: Callable[[Path], None] = lambda commands: None
) -> Path:
    """Return the folder of an environment's executables; install the requirements if it is missing.

    `adapt` gets that folder after the installation. Raises SystemExit if pip fails.
    """
    commands = folder / "bin"
    if not is_made(folder):
        print(f"installing {' '.join(requirements)} into {folder} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip(commands, "install", *requirements)
        adapt(commands)
        (folder / "installed").touch()
    return commands


def is_made(folder: Path) -> bool:
    """Return whether the environment was made to its end."""
    return (folder / "installed").exists()


def pip(commands: Path, *arguments: str) -> None:
    """Run pip in the environment, printing errors only; SystemExit if it fails."""
    done = subprocess.run([commands / "python", "-m", "pip", "-qq", *arguments], check=False)
    if done.returncode:
        raise SystemExit(f"{commands.parent}: pip failed with exit code {done.returncode}")

"""The version before this one, from the repository's history."""

import tarfile
from pathlib import Path

from tests.deploy.engine.console import CheckFailedError, run
from webapp.settings import ROOT

MIGRATIONS = "migrations/versions"
# The newest migration of the previous version; raise it with each release.
HEAD = "0007"


def head_migration(source: Path) -> str:
    """Return the number of the newest migration of these sources."""
    return max(path.name[:4] for path in (source / MIGRATIONS).glob("[0-9]*.py"))


def previous_commit() -> str:
    """Return the newest commit of the main line whose newest migration is HEAD.

    Raises CheckFailedError where the history does not reach that far.
    """
    for commit in _git("rev-list", "--first-parent", "HEAD").split():
        names = _git("ls-tree", "--name-only", commit, f"{MIGRATIONS}/").splitlines()
        if max(Path(name).name[:4] for name in names if Path(name).name[0].isdigit()) == HEAD:
            return commit
    raise CheckFailedError(f"history: no commit with migration {HEAD} as the newest; expected a full clone")


def extract(commit: str, folder: Path) -> None:
    """Write the files of a commit into the folder."""
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    _git("archive", f"--output={archive}", commit)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()


def _git(*arguments: str) -> str:
    return run(["git", *arguments], cwd=ROOT)

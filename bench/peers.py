"""python -m bench.peers [TOOL ...]: llm-measure and other benchmark tools on the same mock server.

Each tool is installed from PyPI into a separate environment under data/peers, so this is not part of
`make bench`. No tool downloads a tokenizer: each gets one whose tokens are whole words.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.environments import make_environment
from llm_measure.load.words import WORDS
from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from webapp.settings import ROOT

FOLDER = ROOT / "data" / "peers"
TTFT_MS, ITL_MS, TOKENS, INPUT = 200, 10, 50, 128
REVISION = "0" * 40
TOKENIZER = "local/words"
PINNED = {"aiperf": "aiperf==0.13.0", "guidellm": "guidellm==0.8.1"}
LINE = "  {:<10} {:>8} {:>10} {:>8} {:>12} {:>12} {:>9} {:>12}"


@dataclass(frozen=True)
class Load:
    """The load that every tool produces."""

    streams: int
    requests: int


@dataclass(frozen=True)
class Figures:
    """What one tool reports, and the processor time that it used."""

    rate: float  # requests per second
    ttft_p50_ms: float
    ttft_p99_ms: float
    cpu_s: float = 0.0  # of the command and its child processes


def ours(url: str, load: Load, out: Path) -> Figures:
    """`llm-measure run`."""
    run([sys.executable, "-m", "llm_measure", "run", "--base-url", url, "--model", "mock",
         "--input-tokens", str(INPUT), "--output-tokens", str(TOKENS), "--warmup", "0",
         "--concurrency", str(load.streams), "--requests", str(load.requests),
         "--format", "json", "--out", out / "ours.json"])  # fmt: skip
    metrics = json.loads((out / "ours.json").read_text())["levels"][0]["metrics"]
    return Figures(metrics["rps"]["mean"], metrics["ttft"]["p50"] * 1000, metrics["ttft"]["p99"] * 1000)


def aiperf(url: str, load: Load, out: Path) -> Figures:
    """AIPerf, by NVIDIA."""
    run([environment_of("aiperf") / "aiperf", "profile", "--model", "mock",
         "--url", url.removesuffix("/v1"), "--endpoint-type", "chat", "--streaming",
         "--tokenizer", TOKENIZER, "--use-server-token-count", "--ui", "none",
         "--concurrency", str(load.streams), "--request-count", str(load.requests),
         "--isl", str(INPUT), "--osl", str(TOKENS), "--artifact-dir", out])  # fmt: skip
    (found,) = out.rglob("profile_export_aiperf.json")
    report = json.loads(found.read_text())
    ttft = report["time_to_first_token"]
    return Figures(report["request_throughput"]["avg"], ttft["p50"], ttft["p99"])


def guidellm(url: str, load: Load, out: Path) -> Figures:
    """GuideLLM, by the vLLM project."""
    run([environment_of("guidellm") / "guidellm", "run",
         "--backend", f"kind=openai_http,target={url.removesuffix('/v1')},model=mock",
         "--profile", f"kind=concurrent,streams={load.streams}",
         "--constraint", f"kind=max_requests,count={load.requests}",
         "--tokenizer", f"kind=huggingface_auto,model={TOKENIZER}",
         "--data", f"kind=synthetic_text,prompt_tokens={INPUT},output_tokens={TOKENS}",
         "--output", f"kind=json,path={out / 'guidellm.json'}", "--disable-progress"])  # fmt: skip
    metrics = json.loads((out / "guidellm.json").read_text())["benchmarks"][0]["metrics"]
    ttft = metrics["time_to_first_token_ms"]["successful"]["percentiles"]
    return Figures(metrics["requests_per_second"]["successful"]["mean"], ttft["p50"], ttft["p99"])


TOOLS: dict[str, Callable[[str, Load, Path], Figures]] = {
    "ours": ours,
    "aiperf": aiperf,
    "guidellm": guidellm,
}


def main() -> int:
    """Run llm-measure, then the named tools, by default all."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description="Compare llm-measure with other tools."
    )
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=f"One of {', '.join(TOOLS)}. Default: all.")
    parser.add_argument("--streams", type=int, default=100, help="Concurrent requests.")
    parser.add_argument("--requests", type=int, default=2000, help="Number of requests.")
    options = parser.parse_args()
    names = dict.fromkeys(["ours", *(options.tools or TOOLS)])
    if unknown := set(names) - set(TOOLS):
        parser.error(f"TOOL {', '.join(sorted(unknown))}: unknown; expected any of {', '.join(TOOLS)}")
    load = Load(options.streams, options.requests)
    make_tokenizer()
    ideal = load.streams / (TTFT_MS + ITL_MS * (TOKENS - 1)) * 1000
    print(f"{load.streams} streams, {load.requests} requests; ideal: {ideal:.0f} requests/s")
    print(LINE.format("", "req/s", "of ideal", "ratio", "ttft p50", "ttft p99", "CPU", "of ours"))
    first: Figures | None = None
    for name in names:
        figures = _measured(name, load)
        first = first or figures
        print(LINE.format(
            name, f"{figures.rate:.0f}", f"{figures.rate / ideal:.0%}", f"{figures.rate / first.rate:.2f}",
            f"{figures.ttft_p50_ms - TTFT_MS:+.1f} ms", f"{figures.ttft_p99_ms - TTFT_MS:+.1f} ms",
            f"{figures.cpu_s:.1f} s", f"{figures.cpu_s / first.cpu_s:.1f}",
        ), flush=True)  # fmt: skip
    return 0


def _measured(name: str, load: Load) -> Figures:
    """Run the tool against a fresh mock server and return its figures."""
    out = FOLDER / "results" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if name != "ours":
        environment_of(name)
    with running_mock_server(Behaviour(ttft=TTFT_MS / 1000, itl=ITL_MS / 1000, output_tokens=TOKENS)) as url:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures = TOOLS[name](url, load, out)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(figures.rate, figures.ttft_p50_ms, figures.ttft_p99_ms, cpu_s)


def environment_of(name: str) -> Path:
    """Return the folder of the tool's executables; install the tool if it is missing."""
    return make_environment(FOLDER / name, PINNED[name])


def make_tokenizer() -> None:
    """Write a tokenizer of whole words to the cache in which the tools look for downloaded ones."""
    folder = FOLDER / "hub" / "hub" / f"models--{TOKENIZER.replace('/', '--')}"
    files = folder / "snapshots" / REVISION
    files.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(REVISION)
    vocabulary = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    (files / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }))  # fmt: skip
    (files / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "bos_token": "<s>",
        "eos_token": "</s>", "model_max_length": 100_000,
    }))  # fmt: skip
    (files / "config.json").write_text(json.dumps({"model_type": "gpt2"}))


def run(command: list[str | Path], **settings: str) -> None:
    """Run the command with these settings in its environment; print its output only if it fails."""
    variables = {**os.environ, "HF_HOME": str(FOLDER / "hub"), "HF_HUB_OFFLINE": "1", **settings}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        raise SystemExit(f"{command[0]}: exit code {done.returncode}")


if __name__ == "__main__":
    sys.exit(main())

"""Other benchmark tools against the wire: what each reports of its traffic, and what the kernel saw of it."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from bench.peers import TOKENIZER, environment_of, make_tokenizer, run
from bench.servers import MODEL, SERVERS, running, set_up
from bench.servers.setup import FOLDER
from bench.wire.answers import Answer, answer
from bench.wire.capture import captured
from bench.wire.matrix import save
from bench.wire.pcap import exchanges

STREAMS, REQUESTS, INPUT, OUTPUT = 4, 64, 128, 32
LINE = "{:<10} {:<15} {:>19} {:>19} {:>19} {:>19} {:>8}"
HEADS = ("ttft p50", "ttft p99", "tpot mean", "itl p99")


@dataclass(frozen=True)
class Figures:
    """What is compared, in ms; None where a tool does not report it."""

    ttft_p50: float
    ttft_p99: float
    tpot_mean: float | None
    itl_p99: float | None


def run_peers(servers: Sequence[str]) -> int:
    """Run each tool on each server, print a line for each, and return the exit code."""
    print(f"{STREAMS} streams, {REQUESTS} requests, {INPUT}/{OUTPUT} tokens; times in ms: wire -> reported")
    print(LINE.format("server", "tool", *HEADS, "CPU s"))
    make_tokenizer()
    rows = []
    for server in servers:
        with running(server) as url:
            ours(url, Path(os.devnull))  # warms the server up
            for name, tool in TOOLS.items():
                wire, reported, cpu_s = _measured(name, tool, url)
                rows.append({"server": server, "tool": name, "wire": asdict(wire),
                             "reported": asdict(reported), "cpu_s": cpu_s})  # fmt: skip
                pairs = map(_pair, astuple(wire), astuple(reported))
                print(LINE.format(server, name, *pairs, f"{cpu_s:.1f}"), flush=True)
    save("peers", rows)
    return 0


def _pair(wire: float, reported: float | None) -> str:
    return f"{wire:.1f} -> " + ("-" if reported is None else f"{reported:.1f}")


def _measured(name: str, tool: Callable[[str, Path], Figures], url: str) -> tuple[Figures, Figures, float]:
    """Run the tool; return the figures by the wire and by the tool, and its processor time."""
    out = FOLDER / "results" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        file, port = Path(folder) / "tool.pcap", urlsplit(url).port or 80
        with captured(file, port):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            reported = tool(url, out)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        answers = [answer(exchange) for exchange in exchanges(file, port) if _is_asked(exchange.request)]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return figures_of(answers[-REQUESTS:]), reported, cpu_s  # a tool may try an answer before


def _is_asked(request: bytes) -> bool:
    return request.startswith(b"POST") and b"completions" in request.partition(b"\r\n")[0]


def figures_of(answers: Sequence[Answer]) -> Figures:
    """Return the figures of answers on the wire."""
    ttft = [each.text_ns[0] - each.sent_ns for each in answers if each.text_ns]
    tpot = [
        (each.text_ns[-1] - each.text_ns[0]) / (each.output_tokens - 1)
        for each in answers
        if each.text_ns and (each.output_tokens or 0) > 1
    ]
    gaps = [gap for each in answers for gap in np.diff(each.text_ns)]
    p50, p99 = np.percentile(ttft, (50, 99), method="inverted_cdf")
    itl = np.percentile(gaps, 99, method="inverted_cdf")
    return Figures(*(float(ns) / 1e6 for ns in (p50, p99, np.mean(tpot), itl)))


def ours(url: str, out: Path, before: Sequence[str] = ()) -> Figures:
    """`llm-measure run`, by a command that precedes it."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "llm_measure", "run", "--base-url", url, "--model", MODEL,
         "--warmup", "0", "--input-tokens", str(INPUT), "--output-tokens", str(OUTPUT),
         "--extra-body", '{"ignore_eos": true}', "--concurrency", str(STREAMS),
         "--requests", str(REQUESTS), "--format", "json"],
        check=True, capture_output=True,
    )  # fmt: skip
    metrics = json.loads(done.stdout)["levels"][0]["metrics"]
    return Figures(*(metrics[name][of] * 1000 for name, of in
                     (("ttft", "p50"), ("ttft", "p99"), ("tpot", "mean"), ("itl", "p99"))))  # fmt: skip


def ours_real_time(url: str, out: Path) -> Figures:
    """`llm-measure run` at real-time priority."""
    return ours(url, out, ("chrt", "--rr", "1"))


def vllm_bench(url: str, out: Path) -> Figures:
    """`vllm bench serve`, which comes with vLLM."""
    set_up("vllm")
    run([FOLDER / "vllm" / "bin" / "vllm", "bench", "serve", "--backend", "openai-chat",
         "--base-url", url.removesuffix("/v1"), "--endpoint", "/v1/chat/completions",
         "--model", MODEL, "--tokenizer", FOLDER / MODEL,
         "--dataset-name", "random", "--random-input-len", str(INPUT), "--random-output-len", str(OUTPUT),
         "--num-prompts", str(REQUESTS), "--max-concurrency", str(STREAMS), "--ignore-eos",
         "--percentile-metrics", "ttft,tpot,itl", "--metric-percentiles", "50,99", "--disable-tqdm",
         "--save-result", "--result-dir", out, "--result-filename", "vllm.json"],
         **SERVERS["vllm"].environment)  # fmt: skip
    report = json.loads((out / "vllm.json").read_text())
    return Figures(*(report[name] for name in ("p50_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "p99_itl_ms")))


def aiperf(url: str, out: Path) -> Figures:
    """AIPerf, by NVIDIA."""
    run([environment_of("aiperf") / "aiperf", "profile", "--model", MODEL,
         "--url", url.removesuffix("/v1"), "--endpoint-type", "chat", "--streaming",
         "--tokenizer", TOKENIZER, "--use-server-token-count", "--ui", "none",
         "--concurrency", str(STREAMS), "--request-count", str(REQUESTS), "--isl", str(INPUT),
         "--osl", str(OUTPUT), "--extra-inputs", "ignore_eos:true", "--artifact-dir", out])  # fmt: skip
    (found,) = out.rglob("profile_export_aiperf.json")
    report = json.loads(found.read_text())
    ttft, chunks = report["time_to_first_token"], report.get("inter_chunk_latency") or {}
    return Figures(ttft["p50"], ttft["p99"], report["inter_token_latency"]["avg"], chunks.get("p99"))


def guidellm(url: str, out: Path) -> Figures:
    """GuideLLM, by the vLLM project."""
    run([environment_of("guidellm") / "guidellm", "run",
         "--backend", f"kind=openai_http,target={url.removesuffix('/v1')},model={MODEL}",
         "--profile", f"kind=concurrent,streams={STREAMS}",
         "--constraint", f"kind=max_requests,count={REQUESTS}",
         "--tokenizer", f"kind=huggingface_auto,model={TOKENIZER}",
         "--data", f"kind=synthetic_text,prompt_tokens={INPUT},output_tokens={OUTPUT}",
         "--output", f"kind=json,path={out / 'guidellm.json'}", "--disable-progress"])  # fmt: skip
    metrics = json.loads((out / "guidellm.json").read_text())["benchmarks"][0]["metrics"]

    def figure(name: str) -> dict:
        return metrics[name]["successful"]

    ttft, gaps = figure("time_to_first_token_ms")["percentiles"], figure("inter_token_latency_ms")
    return Figures(ttft["p50"], ttft["p99"], gaps["mean"], gaps["percentiles"]["p99"])


TOOLS: dict[str, Callable[[str, Path], Figures]] = {
    "ours": ours,
    "ours, real-time": ours_real_time,
    "vllm bench": vllm_bench,
    "aiperf": aiperf,
    "guidellm": guidellm,
}

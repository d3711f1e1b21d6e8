"""How many requests a second a service answers in time, beside what people write themselves.

    python benchmarks/serving.py ARTIFACT... --texts TEXTS.csv [--transformers MODEL] \
        [--optimum FOLDER] [--clients 1 16 256] [--seconds 5] [--limit-ms 20] [--saturated] \
        [--out result.json]

`paretext serve ARTIFACT`, and what people write themselves (services.py), each in a process of its
own on all cores of this machine, on 127.0.0.1:

- plain: a FastAPI route that calls `Artifact`, a thread for each request, no batches;
- pipeline: a FastAPI route that calls a transformers pipeline (PyTorch), the usual first version;
- optimum: the same over optimum's INT8 of that model; FOLDER keeps its environment.

Requests of one text each come at random times (Poisson) whatever the answers take, over so many
connections: open-loop arrival, and a request's time begins when it should have been sent, so that a
service that falls behind cannot hide it (Tene, "How NOT to measure latency", 2015). A rate is borne
if the 99th percentile is within the limit, nothing fails and nine tenths of the rate arrive. Rates
double until one is not, then the gap is halved until it is below 7%: the highest that is borne is
the figure.

`lone`: one connection that asks again as soon as it is answered; its median beside the plain
route's says what batching costs who is alone.

The generator takes a core of the same machine while it runs, which hurts the fastest service most:
of two cores it leaves too little to tell services apart that answer in a millisecond. --saturated
measures with wrk (Debian's package), which takes next to nothing: each connection asks again as
soon as it is answered, and the figures are the requests a second and the 50th and 99th percentile.
Every run ends by itself. Run it on a quiet machine: `busy` in the result is the load before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.append(str(Path(__file__).with_name("peers")))

from environments import environment

from paretext.core.cores import available_cores
from paretext.core.files import write_json
from paretext.data.tables import read_rows
from paretext.measure.cost import machine

MOST_RATE, CLOSE = 20_000, 1.07
HERE = Path(__file__).parent
SERVICES = str(HERE / "services.py")


class Load(NamedTuple):
    """What came of one rate."""

    asked: int
    answered: int
    failed: int
    seconds: float
    p50: float
    p99: float

    def borne(self, limit: float) -> bool:
        enough = self.answered >= 0.9 * self.asked
        return not self.failed and enough and self.p99 <= limit


# --- the services


def optimum_environment(root: Path, model: Path) -> tuple[str, Path]:
    """The interpreter that has optimum, and its INT8 of a model; each is made once."""
    spec = tomllib.loads((HERE / "peers" / "peers.toml").read_text("utf-8"))
    spec = spec["environments"]["optimum"]
    spec["requirements"] += ["fastapi", "uvicorn"]
    python, folder = str(environment("optimum", spec, root)), root / "int8"
    if not (folder / "model_quantized.onnx").is_file():
        subprocess.run([python, SERVICES, "prepare", str(model), str(folder)], check=True)
    return python, folder


@contextmanager
def served(kind: str, folder: Path, python: str = sys.executable) -> Iterator[int]:
    """The port of a service that answers; it ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [python, SERVICES, kind, str(folder), str(port)]
    if kind == "serve":
        words = [sys.executable, "-m", "paretext", "serve", str(folder), "--port", str(port)]
        words += ["--no-request-log"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise SystemExit(f"{kind} of {folder} does not begin") from None
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(60)


# --- the load


async def offered(port: int, texts: list[str], clients: int, rate: float, seconds: float) -> Load:
    """Requests at this rate for so long, over so many connections."""
    import aiohttp

    chance = random.Random(0)
    times: list[float] = []
    failed = 0
    url = f"http://127.0.0.1:{port}/predict"
    bodies = [json.dumps({"inputs": text}).encode() for text in texts]
    headers = {"content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=clients)
    timeout = aiohttp.ClientTimeout(total=seconds + 5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def ask(due: float, body: bytes) -> None:
            nonlocal failed
            try:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    failed += answer.status != 200
            except (aiohttp.ClientError, TimeoutError):
                failed += 1
            times.append(time.perf_counter() - due)

        await ask(time.perf_counter(), bodies[0])
        times.clear()
        begin = time.perf_counter()
        due, tasks = begin, []
        while due < begin + seconds:
            due += chance.expovariate(rate)
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(ask(due, chance.choice(bodies))))
        _, late = await asyncio.wait(tasks, timeout=2)
        for each in late:
            each.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    took = time.perf_counter() - begin
    answered = len(times)
    times += [np.inf] * (len(tasks) - answered)  # they count as late as can be
    p50, p99 = np.percentile(times or [np.inf], [50, 99], method="higher") * 1e3
    return Load(len(tasks), answered, failed, took, float(p50), float(p99))


def highest(port: int, texts: list[str], clients: int, seconds: float, limit: float) -> Any:
    """The highest rate that is borne, and its percentiles."""
    low, high, rate = 0.0, float("inf"), 8.0
    best: Load | None = None
    while 1 <= rate <= MOST_RATE and high > CLOSE * low:
        load = asyncio.run(offered(port, texts, clients, rate, seconds))
        if load.borne(limit):
            low, best = rate, load
        else:
            high = rate
        rate = 2 * low if high == float("inf") else (low * high) ** 0.5 if low else high / 2
    return {"rate": low, "p50_ms": best and best.p50, "p99_ms": best and best.p99}


def saturated(port: int, texts: list[str], clients: int, seconds: float) -> dict[str, Any]:
    """What is answered while every connection always waits for an answer."""
    bodies = ",".join(f"[==[{json.dumps({'inputs': text})}]==]" for text in texts)
    script = f"local bodies, n = {{{bodies}}}, 0\n{_ASK}"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        words = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--latency", "-s", file.name]
        words.append(f"http://127.0.0.1:{port}/predict")
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    figures = [float(each) for each in said.rsplit("figures ", 1)[1].split()]
    return dict(zip(("rate", "p50_ms", "p99_ms", "failed"), figures, strict=True))


_ASK = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  n = n % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[n])
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("figures %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


async def lone(port: int, texts: list[str], seconds: float) -> float:
    """Median milliseconds of who is alone."""
    import aiohttp

    times = []
    headers = {"content-type": "application/json"}
    end = time.perf_counter() + seconds
    async with aiohttp.ClientSession() as session:
        while time.perf_counter() < end:
            text = texts[len(times) % len(texts)]
            begin = time.perf_counter()
            url, body = f"http://127.0.0.1:{port}/predict", json.dumps({"inputs": text})
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifacts", type=Path, nargs="+")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--transformers", type=Path)
    parser.add_argument("--optimum", type=Path)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--limit-ms", type=float, default=20)
    parser.add_argument("--saturated", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.saturated and shutil.which("wrk") is None:
        raise SystemExit("--saturated needs wrk, which is not here; install it (Debian: wrk).")
    texts = [str(row["text"]) for row in read_rows(options.texts)][:1000]
    ours = sys.executable
    targets = [(kind, each, ours) for each in options.artifacts for kind in ("serve", "plain")]
    if options.transformers:
        targets.append(("pipeline", options.transformers, ours))
    if options.transformers and options.optimum:
        python, folder = optimum_environment(options.optimum, options.transformers)
        targets.append(("optimum", folder, python))
    busy = os.getloadavg()[0]
    rows = []
    print(f"{'service':28} {'lone ms':>8}", *(f"{n:>4} clients" for n in options.clients))
    for kind, folder, python in targets:
        with served(kind, folder, python) as port:
            alone = asyncio.run(lone(port, texts, options.seconds))
            by_clients = {
                clients: saturated(port, texts, clients, options.seconds)
                if options.saturated
                else highest(port, texts, clients, options.seconds, options.limit_ms)
                for clients in options.clients
            }
        rows.append({"kind": kind, "folder": str(folder), "lone_ms": alone, "highest": by_clients})
        rates = (f"{by_clients[clients]['rate']:>8.0f} /s" for clients in options.clients)
        print(f"{kind + ' ' + folder.name:28} {alone:8.2f}", *rates, flush=True)
    result = {
        "machine": machine(available_cores()),
        "busy": busy,
        "limit_ms": options.limit_ms,
        "services": rows,
    }
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

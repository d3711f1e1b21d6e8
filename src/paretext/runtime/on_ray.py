"""The parts of a prediction, made by the workers of a Ray cluster.

Ray Data maps the artifact over the list of parts: an actor a core loads it once, reads the rows of
a part from where they lie, and writes the part where the answers will lie. So no text travels by
the driver, and what an actor writes is what this process would have written (`parts`). A part whose
worker dies is made again by another.

The artifact travels as bytes, and its digests are verified where it arrives. Paths have to mean the
same on every machine: a shared disk, or a URL.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from paretext.core import progress
from paretext.core.errors import ParetextError
from paretext.core.files import files_below
from paretext.core.locks import temporary_folder
from paretext.runtime.answering import Tally
from paretext.runtime.artifact import Artifact
from paretext.runtime.parts import Job, Part

HERE = "local"
_LOOPBACK = ("127.0.0.1", "localhost")


def work_on_ray(
    job: Job, parts: Sequence[Part], artifact: Artifact, address: str
) -> Iterator[tuple[Part, int, Tally | None]]:
    """Make the parts, in any order; yields each with its rows and its tally when it is there.

    address: of the cluster, as `ray.init` takes it, or "local": one of this machine alone, which
    ends with the work. ParetextError where there is none.
    """
    ray, ours = _connected(address)
    try:
        cores = int(ray.cluster_resources().get("CPU", 0))
        if not cores:
            raise ParetextError(f"the Ray cluster at {address} has no CPU that it lends.")
        workers = min(cores, len(parts))
        progress.say(f"Ray: {workers} of {cores} cores of {len(ray.nodes())} nodes")
        files = {
            path.relative_to(artifact.folder).as_posix(): path.read_bytes()
            for path in files_below(artifact.folder)
        }
        settings = ray.data.DataContext.get_current()
        settings.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = [part._asdict() for part in parts]
        made = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            _Worker,
            # one at a time: none waits behind a busy actor while another is idle, as at the end
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            fn_constructor_args=(job, files),
            num_cpus=1,
        )
        for row in made.iter_rows():
            if row["error"]:
                raise ParetextError(row["error"])
            yield (
                Part(*map(int, row["part"])),
                int(row["rows"]),
                Tally.model_validate_json(row["tally"]),
            )
    finally:
        if ours:
            ray.shutdown()


class _Worker:
    """An actor: holds the artifact, and its session, for one core."""

    def __init__(self, job: Job, files: dict[str, bytes]) -> None:
        self._job = job
        self._stays = contextlib.ExitStack()  # what a killed actor leaves, the next one clears away
        folder = self._stays.enter_context(temporary_folder())
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._artifact = Artifact.load(folder, threads=1)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """What became of the part that the row is; an error of the user's is an answer, since Ray
        would keep no more of it than its traceback."""
        part = Part(**{name: int(row[name]) for name in Part._fields})
        tally = self._job.tally(self._job.place(part))  # where a worker died behind its part
        try:
            if tally is None:
                tally = [made for *_, made in self._job.work([part], self._artifact)][-1] or Tally()
        except ParetextError as error:
            return {"part": list(part), "rows": 0, "tally": "", "error": str(error)}
        told = {"rows": tally.rows, "tally": tally.model_dump_json(), "error": ""}
        return {"part": list(part), **told}


def _connected(address: str) -> tuple[Any, bool]:
    """Ray, connected, and whether it was not before. It tells nobody of its use, and what it starts
    here listens here alone."""
    host = address.removeprefix("ray://").rpartition(":")[0]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == HERE or host in _LOOPBACK:
        # read when ray is imported; without it Ray takes this machine's outer address for itself
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise ParetextError('ray is not installed; pip install "paretext[ray]".') from None
    if ray.is_initialized():
        return ray, False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == HERE:
            ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        else:
            ray.init(address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise ParetextError(
            f"there is no Ray cluster at {address} ({said}); start one with `ray start`, or give "
            "--ray without an address."
        ) from None
    return ray, True

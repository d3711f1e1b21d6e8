"""How many cores a process may use: affinity, control groups' quotas, and what it was told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paretext.core import cores
from paretext.core.cores import available_cores, cpu_quota

V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu,cpuacct"


def system(root: Path, groups: str, **files: str) -> Path:
    """A root folder with /proc/self/cgroup and the files of some groups."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("", {}, None),
        ("0::/\n", {}, None),
        ("0::/\n", {f"{V2}/cpu.max": "max 100000\n"}, None),
        ("0::/\n", {f"{V2}/cpu.max": "250000 100000\n"}, 2.5),  # in a container
        ("0::/a/b\n", {f"{V2}/a/b/cpu.max": "50000 100000\n"}, 0.5),
        (  # a pod's limit is less than its container's, and stands one group above
            "0::/pod/own\n",
            {f"{V2}/pod/own/cpu.max": "max 100000\n", f"{V2}/pod/cpu.max": "150000 100000\n"},
            1.5,
        ),
        (
            "0::/pod/own\n",
            {f"{V2}/pod/own/cpu.max": "300000 100000\n", f"{V2}/pod/cpu.max": "400000 100000\n"},
            3,
        ),
        # the path is the host's, the mount the container's own
        ("0::/docker/1234\n", {f"{V2}/cpu.max": "200000 100000\n"}, 2),
        ("0::/../../other\n", {f"{V2}/cpu.max": "200000 100000\n"}, 2),
        (  # version 1, and both at once
            "4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n",
            {f"{V1}/a/cpu.cfs_quota_us": "120000\n", f"{V1}/a/cpu.cfs_period_us": "100000\n"},
            1.2,
        ),
        (
            "3:cpu,cpuacct:/a\n",
            {f"{V1}/cpu.cfs_quota_us": "-1\n", f"{V1}/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        (
            "3:cpuset:/a\n1:cpu:/a\n",
            {
                "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "400000",
                "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
            },
            4,
        ),
        ("garbage\n\n0\n0::/\n", {f"{V2}/cpu.max": "garbage\n"}, None),
        ("0::/\n", {f"{V2}/cpu.max": "100000 0\n"}, None),
    ],
)
def test_the_tightest_quota_of_the_groups_counts(
    groups: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(system(tmp_path, groups, **files)) == quota


@pytest.mark.parametrize(
    ("affinity", "quota", "told", "expected"),
    [
        (8, None, "", 8),
        (8, 2.0, "", 2),
        (8, 2.1, "", 3),  # two threads would leave a tenth of a core idle
        (8, 0.25, "", 1),
        (2, 16.0, "", 2),
        (8, 2.0, "5", 5),
        (8, 2.0, "0", 2),
        (8, 2.0, "default", 2),
    ],
)
def test_the_least_of_affinity_and_quota_unless_told_otherwise(
    affinity: int, quota: float | None, told: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    monkeypatch.setenv("PYTHON_CPU_COUNT", told)
    assert available_cores() == expected


def test_an_artifact_takes_the_quotas_cores_and_threads_say_otherwise(
    versions: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretext.runtime.artifact import Artifact

    monkeypatch.delenv("PYTHON_CPU_COUNT")  # conftest.py sets it
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1.5)
    assert Artifact.load(versions["int8"]).threads == 2
    assert Artifact.load(versions["int8"], threads=3).threads == 3

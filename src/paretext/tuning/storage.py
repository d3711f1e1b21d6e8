"""open_study(): the database that a search's trials are kept in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
from optuna.trial import TrialState
from sqlalchemy import make_url

from paretext.core import progress
from paretext.core.errors import ParetextError

PRUNE_AFTER = 4


def open_study(storage: str, name: str, *, limited: bool, resume: bool) -> optuna.Study:
    """The study of this name in the database, made now if it is not there.

    resume: it has to be there, with a trial that has ended. ParetextError if it is not, or if the
    database cannot be opened or is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    try:
        _check_whole(storage)
        # A writer of SQLite waits for the others.
        wait = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else {}
        database = optuna.storages.RDBStorage(storage, engine_kwargs=wait)
        if resume and not _has_ended_trials(database, name):
            raise ParetextError(
                f"there is no trial of this parent, data, machine and budget to resume in "
                f"{storage}; leave out --resume to begin a study."
            )
        return optuna.create_study(
            storage=database,
            study_name=name,
            directions=[up] if limited else [up, down, down],
            pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNE_AFTER, n_min_trials=2),
            load_if_exists=True,
        )
    except ParetextError:
        raise
    except Exception as error:  # the kind depends on the database's driver
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ParetextError(
            f"the study's storage {storage} cannot be opened ({reason}); give a URL such as "
            "sqlite:///study.db, or leave out --storage."
        ) from None


def _check_whole(storage: str) -> None:
    """ParetextError for an SQLite file that is damaged; any other database sees to itself."""
    url = make_url(storage)
    path = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or not path.is_file():
        return
    if not path.stat().st_size:  # SQLite takes it for a new one
        progress.say(f"{path} is empty, so the study begins anew")
        return
    try:
        with closing(sqlite3.connect(path, timeout=60)) as database:
            (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        integrity = str(error)
    if integrity != "ok":
        raise ParetextError(
            f"{path} is damaged ({' '.join(integrity.split())[:200]}); delete it, and the study "
            "begins anew with the shapes and trainings that are kept."
        )


def _has_ended_trials(database: optuna.storages.RDBStorage, name: str) -> bool:
    if name not in optuna.study.get_all_study_names(database):
        return False
    study = optuna.load_study(study_name=name, storage=database)
    return bool(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

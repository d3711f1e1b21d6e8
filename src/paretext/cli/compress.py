"""The verb compress."""

from __future__ import annotations

from paretext.cli.commands import Json
from paretext.core.run_folder import RunFolder
from paretext.pipeline.options import Compress


def compress(asked: Compress, json: Json = False) -> None:
    """From a fine-tuned classifier to the folder to deploy: make smaller and faster versions,
    certify what that changed, measure all of them, and say which to take.

    Example: paretext compress my-classifier --eval held_out.csv

    With --eval alone the version is INT8. Versions that learn (the default one is called safe) take
    --data, or --unlabelled: texts without labels, of the kind that the model is used on.
    """
    from paretext.cli.console import dump_with, line, show_comparison, show_verdict
    from paretext.cli.endings import of_run
    from paretext.pipeline import calls
    from paretext.pipeline.stages import artifacts_of
    from paretext.runtime.manifest import Manifest

    folder = calls.compress(asked).folder
    verdict = of_run(folder)
    if (RunFolder(folder).comparison / "comparison.json").is_file():
        show_comparison(RunFolder(folder).comparison, verdict, json)
        return
    made = artifacts_of(folder)
    if json:
        manifests = {each.name: Manifest.read(each).model_dump(mode="json") for each in made}
        dump_with(verdict, manifests)
        return
    line(f"Wrote {folder / 'artifacts'}: {', '.join(each.name for each in made)}.")
    show_verdict(verdict)

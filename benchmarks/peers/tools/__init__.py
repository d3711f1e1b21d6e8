"""One file per tool: how its documentation says to prepare and to run a text classifier.

Each has SETTINGS (variant -> one sentence), PACKAGES (those whose versions are reported) and

    prepare(job, folder)   write what gets deployed, and nothing else, to `folder`
    load(job, folder)      a Model that predicts from that folder alone

and is imported only in its own environment (see ../worker.py). Nothing here may import paretext but
`ours`, which is run by paretext's own interpreter.
"""

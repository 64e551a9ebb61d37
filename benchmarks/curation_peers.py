"""What other libraries need for the pictures of a folder: run by `curation.py --peers`.

It runs in an environment of its own, as they ask for other versions than haiga.

Prints a JSON object: name -> seconds of processor for one picture.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def timed(work: Callable[[], object], count: int) -> float:
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            work()
        best = min(best, time.process_time() - began)
    return best / count


def main() -> None:
    folder = Path(sys.argv[1])
    paths = sorted(folder.glob("*.jpg"))
    found = {}
    with contextlib.suppress(ImportError):
        import imagehash
        from PIL import Image

        found["ImageHash phash"] = timed(
            lambda: [imagehash.phash(Image.open(path)) for path in paths], len(paths)
        )
    with contextlib.suppress(ImportError):
        from cleanvision import Imagelab

        def clean(issues: dict[str, dict[str, object]] | None) -> None:
            Imagelab(filepaths=list(map(str, paths))).find_issues(issues, n_jobs=1, verbose=False)

        duplicates = {"near_duplicates": {}, "exact_duplicates": {}}
        found["CleanVision duplicates"] = timed(lambda: clean(duplicates), len(paths))
        found["CleanVision all"] = timed(lambda: clean(None), len(paths))
    print(json.dumps(found))


if __name__ == "__main__":
    main()

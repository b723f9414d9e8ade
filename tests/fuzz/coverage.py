"""libFuzzer (atheris) on one target: guided by which lines of ours an input reaches. Grows `corpus/`.

    python -m tests.fuzz.coverage query -max_total_time=60

What it adds is to be looked through before it is kept: `git status tests/fuzz/corpus`. Needs `pip install '.[fuzz]'`.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["streams", "schemas"]):
    from tests.fuzz.seeds import CORPUS, seeds
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until it is stopped, or as long as libFuzzer's own options say."""
    name, *options = sys.argv[1:] or [""]
    if name not in TARGETS:
        sys.exit(f"name one of {', '.join(sorted(TARGETS))}")
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(name)):
        (folder / f"seed-{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], "-max_len=16000", *options, str(folder)], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

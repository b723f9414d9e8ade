"""Fuzzing of every parser of outside input.

targets.py   each parser with what must hold of it for any bytes
seeds.py     where a run begins: the contracts' examples, and a valid text for each target
mutate.py    new inputs from old ones: bytes, words of the target, structure of JSON and lines
run.py       a run: corpus, seeds, mutants; `python -m tests.fuzz` (see its --help)
corpus/      inputs that once broke something or reached new code; kept, and tried first in every run
"""

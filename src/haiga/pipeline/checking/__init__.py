"""Checks of a recipe, a file for each kind; the table of them is in `pipeline.check`.

data        the source, teachers and rules
models      the two checkpoints by their names
stages      objectives, parts, and settings that a part has no use for
evaluation  conditions and benchmarks
paper       what the models alone can tell: put together without their weights
"""

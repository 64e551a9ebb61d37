"""Items × conditions × checks: what a model writes, held against a truth and against controls."""

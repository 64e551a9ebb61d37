"""Groups as tensors: rendering, collating, and the cache of picture features."""

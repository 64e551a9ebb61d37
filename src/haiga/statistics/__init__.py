"""Intervals, paired comparisons, agreement and power. Pure functions on numpy and scipy."""

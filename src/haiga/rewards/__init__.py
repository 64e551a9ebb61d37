"""Rewards for what a model samples, combined by weight."""

"""Recipes: their fixed sections, their components, and how both are read from TOML."""

"""The floating world: scenes, the prints of them, the poets who write about them."""

"""What a text is: its form, its language, what it names, what it answers. Pure functions."""

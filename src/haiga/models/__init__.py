"""Models: pictures, towers and language models put together, adapted, asked and written."""

"""One page that says what was run, what came of it, and what the figures cannot say."""

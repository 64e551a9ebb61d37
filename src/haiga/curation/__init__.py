"""From what a source found to groups for training: measured, then decided, nothing lost unnamed."""

"""A trained model at work: opened by its folder, answering pictures."""

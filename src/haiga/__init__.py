"""From pictures and a voice to a specialist vision-language model, with a report on each step."""

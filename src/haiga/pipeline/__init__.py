"""A recipe from pictures to report. The only room, beside the command line, that sees all others.

check   what would go wrong, before anything is spent
data    00_raw … 04_final
models  the base, and a stage at a time
judge   evaluation and report
"""

"""Questions handed in together, answered within a day, at half the price.

base       what a provider's desk takes and gives back
anthropic  Message Batches
openai     batches of OpenAI and of servers that have them
slips      what was handed in and is still to be fetched, on disk
fill       every question of some jobs, round by round, until all answers are there
"""

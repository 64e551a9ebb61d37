"""A judge of what was written, and what must hold before its word is taken.

rubric      what it is asked, word for word
asking      questions, asked again where they fail, answers kept as they come
profile     every answer by itself on four axes
duels       answers against each other in both orders: the claim
controls    good texts under wrong pictures, spoiled, and bribing: what every judge must tell apart
hearing     all of these together, and whether the judge may be believed
statements  answers taken apart, each statement beside the picture
labels      what people said of the same pairs
"""

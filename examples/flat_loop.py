"""What haiga does, flat: no recipe, no resume, no guards. Read it top to bottom, then copy it.

    python examples/flat_loop.py        # 20 seconds on two cores

Two hundred prints and their haiku, a tower and a language model joined by a new projector, a
hundred steps in which only the projector learns, and what it writes about a print it has not seen.
"""

import numpy as np
import torch

from haiga.batches.groups import collate
from haiga.batches.render import render
from haiga.models import branches
from haiga.models.assemble import assemble
from haiga.models.features import encode_pictures
from haiga.models.generate import generate
from haiga.models.pictures import open_picture
from haiga.models.trainable import parameter_groups
from haiga.objectives import OBJECTIVES
from haiga.records import IMAGE, Answer, Group, Picture, assistant, user
from haiga.world.base import WEIGHTS
from haiga.world.poets import POETS
from haiga.world.printer import print_file
from haiga.world.scenes import scene

PRINTS, STEPS, BATCH = 200, 100, 16
QUESTION = user(IMAGE, "\nWrite a haiku about this print.")

# 1. Pictures and words: a scene is printed, and a poet who knows the scene writes about it.
scenes = [scene(1, index) for index in range(PRINTS + 1)]
pictures = [open_picture(print_file(each, 1)[0]) for each in scenes]
poems = [POETS["haiku"](each, "en", np.random.default_rng(n)) for n, each in enumerate(scenes)]

# 2. One model of two: the tower and the language model stay as they are, the projector is new.
vlm = assemble(WEIGHTS / "tower", WEIGHTS / "language")
rules = [(".*multi_modal_projector.*", 2e-3), (".*", "frozen")]
optimiser = torch.optim.AdamW(parameter_groups(vlm.model, rules))

# 3. A picture is read once: the tower is frozen, so its features are made before the first step.
features = encode_pictures(vlm, pictures)

# 4. Groups: one prompt with its picture, and the answers that hang on it (here only one).
groups = [
    Group(str(n), (QUESTION,), (Answer((assistant(poem),)),), (Picture(str(n)),))
    for n, poem in enumerate(poems)
]
rows = [render(vlm.processor, group, vlm.picture_tokens) for group in groups[:PRINTS]]

# 5. The loop: log-probs of the answers' tokens, a sum and a count, one division.
generator = torch.Generator().manual_seed(0)
for step in range(STEPS):
    chosen = torch.randint(PRINTS, (BATCH,), generator=generator).tolist()
    batch = collate([rows[n] for n in chosen], vlm.tokenizer.pad_token_id)
    logps = branches.token_logps(vlm.model, batch, features[chosen])
    loss = OBJECTIVES["cross_entropy"].function(logps)
    optimiser.zero_grad()
    mean = loss.total / loss.count
    mean.backward()
    optimiser.step()
    if step % 20 == 0 or step == STEPS - 1:
        print(f"step {step:3d}  loss {mean.item():.3f}")

# 6. A print that it has not seen.
print(*generate(vlm, [(QUESTION,)], [[pictures[-1]]], max_new_tokens=40))
print("The poet wrote:", poems[-1], sep="\n")

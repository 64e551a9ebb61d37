"""Bytes that training holds at once: weights, gradients, optimiser states, activations.

Arithmetic over plain counts. What is kept for the backward pass is counted from the forward that a
stage really makes (`models.branches`, `models.lora`, `models.head`, transformers' layers), tensor
by tensor; docs/memory.md has the formulas in one piece and holds them against measured peaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from haiga.models.head import CHUNK

FLOAT32: Final = 4
BFLOAT16: Final = 2
MOMENTS: Final = 2 * FLOAT32
"""AdamW's two running means of each trained weight (Loshchilov and Hutter 2019)."""
FOUR_BITS: Final = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""Of a weight in NF4: its bits, one scale of eight bits for 64 weights, and one of these scales'
own, of 32 bits, for 256 of them: 4.127 bits (Dettmers et al. 2023, arXiv:2305.14314, section 3)."""
FOUR_BITS_SINGLE: Final = (4 + 32 / 64) / 8
"""The same where the scales stay in 32 bits."""


@dataclass(frozen=True, slots=True)
class Layers:
    """A stack of transformer layers."""

    count: int
    width: int
    inner: int
    """Of the feed-forward part."""
    heads: int
    queries: int
    """Width of all queries together: heads times the width of a head."""
    keys: int
    """Width of all keys together; fewer where heads share them (Ainslie et al. 2023)."""
    gated: bool = True
    """SwiGLU and RMSNorm, as in LLaMA and its like; else GELU and LayerNorm, as in a ViT."""

    @property
    def weights(self) -> int:
        """Of the linear layers of one layer, without biases."""
        feed_forward = (3 if self.gated else 2) * self.width * self.inner
        return 2 * self.width * (self.queries + self.keys) + feed_forward

    def adapter(self, rank: int) -> int:
        """Weights of LoRA on all linear layers of one layer: r (in + out) of each."""
        attention = 4 * self.width + 2 * (self.queries + self.keys)
        return rank * (attention + (3 if self.gated else 2) * (self.width + self.inner))


@dataclass(frozen=True, slots=True)
class Parameters:
    """A stage's parameters by what they are kept in."""

    trained: int
    """In float32, with a gradient and two moments, whatever the model's dtype."""
    frozen: int
    """In the model's dtype."""
    whole: int = 0
    """Frozen, and in float32 all the same: a projector that rests."""
    half: int = 0
    """Frozen, and in bfloat16 all the same: the tower beside quantised weights."""
    quantised: int = 0
    """In four bits."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Bytes of a number."""

    kept: int
    """Of a frozen weight and of the residual stream: the model's dtype."""
    products: int
    """Of the matrix products: the stage's dtype."""
    four_bits: float = FOUR_BITS

    @property
    def cast(self) -> bool:
        """Whether products are made of copies."""
        return self.kept != self.products


@dataclass(frozen=True, slots=True)
class Rows:
    """What goes through the model at once."""

    count: int
    positions: int
    """Of a row: prompt, pictures, and every answer behind them."""
    learned: int
    """Targets of all rows together."""
    masked: bool
    """Whether several answers share a prompt, so that attention takes a mask."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A forward and backward pass through a stack of layers."""

    layers: Layers
    numbers: Numbers
    learns: Literal["nothing", "adapter", "all"]
    """What of the layers; gradients go through them in each case."""
    rank: int = 0
    """Of the adapter."""
    checkpointing: bool = False


class Held(NamedTuple):
    """Bytes on one accelerator."""

    weights: float
    gradients: float
    optimiser: float
    activations: float
    """What lives within a step: all that is kept for the way back, and what is worked with."""

    @property
    def total(self) -> float:
        """All at once."""
        return sum(self)


def fixed(parameters: Parameters, numbers: Numbers, paged: bool = False) -> Held:
    """What a stage holds from step to step: no activations.

    weights     4 (trained + whole) + kept * frozen + 2 half + 0.516 quantised
    gradients   4 trained
    optimiser   8 trained; 0 where paged: these pages are the driver's, which puts them on the GPU
                while there is room, and torch does not count them
    """
    weights = (
        FLOAT32 * (parameters.trained + parameters.whole)
        + numbers.kept * parameters.frozen
        + BFLOAT16 * parameters.half
        + numbers.four_bits * parameters.quantised
    )
    moments = 0 if paged else MOMENTS * parameters.trained
    return Held(weights, FLOAT32 * parameters.trained, moments, 0)


def mixed(trained: float, weights: float = 2, gradients: float = 2, moments: float = 8) -> Held:
    """The textbook's table: bytes a parameter where all are trained, without activations.

    2 + 2 + 8 is bfloat16 throughout with moments in float32 (84 GB for 7B). With a copy of the
    weights in float32 beside them, and gradients in float32, it is 6 + 4 + 8 = 18; ZeRO's authors
    count 2 + 2 + 12 (Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1).
    """
    return Held(weights * trained, gradients * trained, moments * trained, 0)


def sharded(held: Held, gpus: int, stage: int) -> Held:
    """What each of so many GPUs holds under ZeRO (arXiv:1910.02054, section 5).

    1 shares out the optimiser's states, 2 the gradients too, 3 the weights as well (FSDP's full
    shard). Activations are each GPU's own, and buffers of what is gathered are not counted. haiga
    itself does stage 0: every rank holds everything.
    """
    weights, gradients, optimiser = (
        part / gpus if stage >= least else part
        for part, least in zip(held[:3], (3, 2, 1), strict=True)
    )
    return Held(weights, gradients, optimiser, held.activations)


def per_position(through: Pass, rows: Rows) -> float:
    """Bytes that one layer keeps of one position for the way back.

    With H the width, I the inner width, Q and K those of queries and keys, e bytes a product:

    norms       2 (4 H + 4): each keeps its input in float32, and one number
    attention   e (2 Q + 2 K) + 4 heads: queries, keys, values, output and log-sum-exp, by a kernel
                that keeps no scores (Dao et al. 2022, arXiv:2205.14135); under a mask keys and
                values are copied for each head (2 Q), and the mask is kept, e for each position
    feed        3 e I: gate, its activation, and the other factor; without a gate e I
    inputs      of linear layers that learn or are adapted: e (2 H + I), and e r for each of these;
                a frozen layer needs none for the gradient of its input. Where the stream is not in
                the products' dtype, each layer casts its own copy: 5 H in the place of 2 H
    normed      2 H in the stream's dtype where the norms' weights learn
    """
    layers, numbers = through.layers, through.numbers
    e, h = numbers.products, layers.width
    keys = layers.queries if rows.masked else layers.keys
    held = 2 * (FLOAT32 * h + FLOAT32)
    held += 2 * e * (layers.queries + keys) + FLOAT32 * layers.heads
    held += e * rows.positions if rows.masked else 0
    held += (3 if layers.gated else 1) * e * layers.inner
    if through.learns == "nothing":
        return held
    apart = numbers.cast or (
        not layers.gated and e != FLOAT32
    )  # autocast's LayerNorm gives float32
    copies = (5 if layers.gated else 4) if apart else 2
    held += e * (copies * h + layers.inner)
    held += e * through.rank * (7 if layers.gated else 6)
    return held + (2 * numbers.kept * h if through.learns == "all" else 0)


def through_layers(through: Pass, rows: Rows) -> tuple[float, float]:
    """(what is kept of all layers when the way back begins, what its first layer adds to that).

    Checkpointed (Chen et al. 2016, arXiv:1604.06174), each layer keeps its input alone and is
    computed again, one at a time: a third more compute, as a step is one forward and twice that
    back. The layer that is gone back through adds three gradients of the feed-forward part, 3 e I;
    where it had kept its last product's input, e I of that is gone by then.
    """
    layers, numbers = through.layers, through.numbers
    positions = rows.count * rows.positions
    layer = positions * per_position(through, rows)
    copies = numbers.products * layers.weights if numbers.cast else 0
    if numbers.products != FLOAT32:
        copies += numbers.products * layers.adapter(through.rank)
    gradients = 3 if through.learns == "nothing" else 2
    back = positions * gradients * numbers.products * layers.inner
    if not through.checkpointing:
        return layers.count * (layer + copies), back
    # Copies of weights that learn are autocast's, which keeps them until the pass is over.
    whole = layers.count * copies if through.learns == "all" else 0
    return layers.count * positions * numbers.kept * layers.width + whole, layer + copies + back


def head(
    numbers: Numbers, width: int, vocabulary: int, learned: int, learns: bool = False
) -> float:
    """Bytes of the LM head at work: it meets the vocabulary a chunk of targets at a time.

    Logits in e, the same in float32, and its exponentials: (e + 8) for each of chunk x V. A head
    that learns is computed again on the way back, with gradients of all three: (2 e + 16). A head
    in another dtype than the products is cast, V H e.
    """
    e = numbers.products
    own = e if e != FLOAT32 else 0
    each = 2 * own + 16 if learns else own + 8
    copy = e * vocabulary * width if numbers.cast else 0
    return min(learned, CHUNK) * vocabulary * each + copy


def writing(through: Pass, rows: Rows, samples: int, vocabulary: int) -> float:
    """Bytes of a rollout: keys and values of all positions, and the choice of the next tokens.

    2 K e for each layer and position (`models.cache`); of each sample's logits what chooses holds
    (`models.sample.drawn`): e + 4 + 4 + 4 + 8 for each word of the vocabulary.
    """
    layers, e = through.layers, through.numbers.products
    cache = 2 * layers.keys * e * layers.count * rows.count * rows.positions
    return cache + rows.count * samples * vocabulary * (e + 20)

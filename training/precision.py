"""How many bits each layer of a network has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

FLOAT = 32

WeightBits: TypeAlias = int | Literal["pow2"]


@dataclass(frozen=True, slots=True)
class Bits:
    """weights: 32 float, 1 binary {-1, +1}, 2 ternary, 3 to 8 uniform, "pow2" zero or a power of two.

    activations: 32 float (ReLU), 1 sign, 2 to 8 uniform, unsigned (after a ReLU).
    """

    weights: WeightBits = FLOAT
    activations: int = FLOAT


@dataclass(frozen=True, slots=True)
class Precision:
    """Bits of the input (32: not quantized), of every layer that `layers` does not name, and of those it names.

    The `activations` of the last layer, whose outputs are logits, mean nothing.
    """

    input: int = FLOAT
    default: Bits = Bits()
    layers: Mapping[str, Bits] = field(default_factory=dict)

    def of(self, layer: str) -> Bits:
        return self.layers.get(layer, self.default)

    @classmethod
    def uniform(cls, weights: WeightBits, activations: int, input: int = 8) -> "Precision":  # noqa: A002
        return cls(input, Bits(weights, activations))

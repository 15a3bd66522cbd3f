"""Progressive stacking: a deep encoder that starts as a shallow one, repeated."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

Weights = Mapping[str, np.ndarray[Any, Any]]

_LAYER = re.compile(r"layer_(\d+)/(.*)")


def stack_layers(weights: Weights, num_layers: int) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of an encoder of `num_layers` layers that repeats the layers of a shallower one.

        layer_i (deep) = layer_(i mod k) (shallow),    0 <= i < num_layers, k layers in the shallow encoder

    Attention learns similar patterns at many depths, so that a copy is a better start than
    random weights are.  LaBSE was pre-trained with L/4, then L/2, then L layers.

    Args:
        weights: The shallow encoder's weights by name, as `encoder_weights` gives them.
        num_layers: The number of layers of the deep encoder, a multiple of the shallow one's.

    Returns:
        The deep encoder's weights by name; embeddings and pooler are those of the shallow one.

    Raises:
        ValueError: if the number of layers is not a multiple.

    Example:
        >>> import numpy as np
        >>> weights = {"layer_0/bias": np.zeros(2), "layer_1/bias": np.ones(2), "pooler/bias": np.ones(2)}
        >>> sorted(stack_layers(weights, 4))
        ['layer_0/bias', 'layer_1/bias', 'layer_2/bias', 'layer_3/bias', 'pooler/bias']

    Reference: Gong et al., Efficient Training of BERT by Progressively Stacking (ICML 2019); LaBSE, section 3.2.
    """
    matches = {name: _LAYER.fullmatch(name) for name in weights}
    shallow = 1 + max(int(match[1]) for match in matches.values() if match)
    if num_layers % shallow:
        raise ValueError(
            f"`num_layers` must be a multiple of the layers that are stacked, {shallow}. "
            f"Received: num_layers={num_layers}."
        )
    stacked = {name: value for name, value in weights.items() if not matches[name]}
    for name, match in matches.items():
        if match:
            stacked |= {f"layer_{n}/{match[2]}": weights[name] for n in range(int(match[1]), num_layers, shallow)}
    return stacked

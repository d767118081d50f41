"""A multilayer perceptron."""

from __future__ import annotations

from torch import Tensor, nn

from matscout.models.hyperparameters import MlpSettings

_ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU, "tanh": nn.Tanh}


class Mlp(nn.Module):
    """(b, inputs) -> (b, outputs). Written in torch, not taken from scikit-learn: that one keeps
    its Adam moments and its generator in private attributes which only a pickle can bring back.
    """

    def __init__(self, inputs: int, outputs: int, settings: MlpSettings) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = inputs
        for _ in range(settings.hidden_layers):
            layers += [nn.Linear(width, settings.hidden_features)]
            layers += [_ACTIVATIONS[settings.activation](), nn.Dropout(settings.dropout)]
            width = settings.hidden_features
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

# SPDX-License-Identifier: Apache-2.0
import torch_runner as R
from torch_runner import nn, F


def model(mode, keep):
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))


R.main("W6", model, lambda y, p: F.cross_entropy(p, y), "eager,fused,cl,compile,compile_cl")

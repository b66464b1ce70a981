"""cgsv's models as PyTorch modules, of ten classes (text_cnn: two), with the parameters in cgsv's order: for the peers
and for tests/torch_federation.py. Pictures are [samples][channels][32][32], sentences [samples][WORDS] of VOCABULARY.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

WORDS, VOCABULARY = 20, 5000


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(1024, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(torch.flatten(x, 1))))


class MnistCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 3)
        self.conv2 = nn.Conv2d(64, 16, 7)
        self.fc1 = nn.Linear(256, 200)
        self.fc2 = nn.Linear(200, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.fc2(torch.tanh(self.fc1(torch.flatten(x, 1))))


class CifarCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 5)
        self.fc1 = nn.Linear(800, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 2 * channels, 3, 2, 1, bias=False)
        self.norm1 = nn.GroupNorm(2 * channels // 8, 2 * channels)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(2 * channels // 8, 2 * channels)

    def forward(self, x):
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)) + shortcut)


class CifarResnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 1, 1, bias=False)
        self.stem_norm = nn.GroupNorm(4, 32)
        self.layers = nn.Sequential(Block(32), Block(64), Block(128))
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = self.layers(F.relu(self.stem_norm(self.stem(x))))
        return self.fc(x.mean((2, 3)))


class TextCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 300)
        self.convs1 = nn.ModuleList([nn.Conv2d(1, 128, (3, 300)) for _ in range(3)])
        self.fc1 = nn.Linear(384, 2)

    def forward(self, x):
        x = self.embed(x)[:, None]
        x = torch.cat([F.relu(conv(x)).flatten(2).amax(2) for conv in self.convs1], 1)
        return self.fc1(F.dropout(x, 0.5))

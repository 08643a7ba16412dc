from torch import nn


class SwinUnet(nn.Module):
    pass

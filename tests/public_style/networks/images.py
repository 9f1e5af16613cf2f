"""Networks that answer images: U-Net by cropping or padding, a generator, pixel shuffling."""

# ruff: noqa: UP032  (old habits are the subject)

import lucid as torch
import lucid.nn as nn
import lucid.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs, mid=None, padding=1):
        super().__init__()
        mid = mid or outputs
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, mid, kernel_size=3, padding=padding),
            nn.BatchNorm2d(mid),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid, outputs, kernel_size=3, padding=padding),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(inputs + outputs, outputs, mid=inputs // 2)
        else:
            self.up = nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
            self.conv = DoubleConv(2 * outputs, outputs)

    def forward(self, x1, x2):
        x1 = self.up(x1)
        dy = torch.tensor([x2.size()[2] - x1.size()[2]])
        dx = torch.tensor([x2.size()[3] - x1.size()[3]])
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class PaddedUNet(nn.Module):
    """Odd sizes on the way down are padded on the way up."""

    def __init__(self, n_channels=3, n_classes=2, bilinear=True):
        super().__init__()
        self.inc = DoubleConv(n_channels, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 12))
        self.up1, self.up2 = Up(12, 8, bilinear), Up(8, 4, bilinear)
        self.outc = nn.Conv2d(4, n_classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x = self.up1(self.down2(x2), x2)
        return torch.sigmoid(self.outc(self.up2(x, x1)))


class CroppedUNet(nn.Module):
    """Convolutions without padding; the skipped maps are cropped to their centres."""

    def __init__(self, depth=2, wf=2):
        super().__init__()
        self.down_path, self.up_path = nn.ModuleList(), nn.ModuleList()
        previous = 3
        for i in range(depth):
            self.down_path.append(DoubleConv(previous, 2 ** (wf + i), padding=0))
            previous = 2 ** (wf + i)
        for i in reversed(range(depth - 1)):
            step = nn.ModuleDict()
            step["up"] = nn.ConvTranspose2d(previous, 2 ** (wf + i), kernel_size=2, stride=2)
            step["conv"] = DoubleConv(previous, 2 ** (wf + i), padding=0)
            self.up_path.append(step)
            previous = 2 ** (wf + i)
        self.last = nn.Conv2d(previous, 2, kernel_size=1)

    def crop(self, layer, size):
        _, _, height, width = layer.size()
        y, x = (height - size[0]) // 2, (width - size[1]) // 2
        return layer[:, :, y : (y + size[0]), x : (x + size[1])]

    def forward(self, x):
        blocks = []
        for i, down in enumerate(self.down_path):
            x = down(x)
            if i != len(self.down_path) - 1:
                blocks.append(x)
                x = F.avg_pool2d(x, 2)
        for i, step in enumerate(self.up_path):
            x = step["up"](x)
            x = step["conv"](torch.cat([x, self.crop(blocks[-i - 1], x.shape[2:])], 1))
        return self.last(x)


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        m.weight.data.normal_(0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        m.weight.data.normal_(1.0, 0.02)
        m.bias.data.fill_(0)


class Autoencoder(nn.Module):
    """The two halves of a GAN, one after the other."""

    def __init__(self, nc=3, nf=4, ngpu=1):
        super().__init__()
        self.ngpu = ngpu
        self.encoder = nn.Sequential(
            nn.Conv2d(nc, nf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(nf, nf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(nf * 2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(nf * 2, nf * 3, 4, 1, 0, bias=False),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(nf * 3, nf * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(nf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(nf * 2, nf, 4, 2, 1, bias=False),
            nn.InstanceNorm2d(nf, affine=True),
            nn.PReLU(),
            nn.ConvTranspose2d(nf, nc, 3, 2, 1, output_padding=1, bias=False),
            nn.Tanh(),
        )
        self.apply(weights_init)

    def forward(self, input):
        if input.is_cuda and self.ngpu > 1:
            code = nn.parallel.data_parallel(self.encoder, input, range(self.ngpu))
        else:
            code = self.encoder(input)
        return self.decoder(code)


class Unpooled(nn.Module):
    """What pooling picked is put back where it was."""

    def __init__(self):
        super().__init__()
        for i, (a, b) in enumerate([(3, 4), (4, 6), (6, 4), (4, 2)]):
            setattr(self, "conv{}".format(i), nn.Conv2d(a, b, kernel_size=3, padding=1))
            setattr(self, "bn{}".format(i), nn.BatchNorm2d(b, momentum=0.1))
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)

    def forward(self, x):
        x1 = F.relu(self.bn0(self.conv0(x)))
        x1p, id1 = F.max_pool2d(x1, kernel_size=2, stride=2, return_indices=True)
        x2p, id2 = self.pool(F.relu(self.bn1(self.conv1(x1p))))
        x2d = F.max_unpool2d(x2p, id2, kernel_size=2, stride=2, output_size=x1p.size())
        x2d = F.relu(self.bn2(self.conv2(x2d)))
        return self.bn3(self.conv3(self.unpool(x2d, id1)))


class SuperResolution(nn.Module):
    def __init__(self, upscale_factor=2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(8, 3 * upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pad = nn.ReflectionPad2d(1)
        self.last = nn.Conv2d(3, 3, 3)
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        nn.init.orthogonal_(self.conv1.weight, nn.init.calculate_gain("relu"))
        nn.init.orthogonal_(self.conv2.weight)

    def forward(self, x):
        up = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        x = self.pixel_shuffle(self.conv2(F.relu(self.conv1(x))))
        return up + self.last(self.pad(x))


MODELS = {
    "unet, padded, bilinear": PaddedUNet,
    "unet, padded, transposed": lambda: PaddedUNet(bilinear=False),
    "unet, cropped": CroppedUNet,
    "autoencoder": Autoencoder,
    "unpooled": Unpooled,
    "super resolution": SuperResolution,
}
SHAPE = (4, 3, 20, 20)
SHAPES = {"unet, padded, bilinear": (4, 3, 18, 22), "autoencoder": (4, 3, 16, 16)}

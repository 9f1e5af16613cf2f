"""MixUp and CutMix: images and labels are mixed in the same proportion."""

import pytest

import lucid
from lucid.errors import DTypeError, ShapeError
from lucid.utils.data import DataLoader, TensorDataset
from lucid.vision.transforms import CutMix, MixedCollate, MixUp

N = 6


def batch():
    """Image i is all i."""
    images = lucid.arange(N).float().reshape(N, 1, 1, 1).expand(N, 3, 16, 12).contiguous()
    return images, lucid.arange(N)


def test_mixup_is_a_mean_with_the_image_before(device):
    images, labels = batch()
    mixed, shares = MixUp(num_classes=N)(images, labels)
    share = shares[1, 1].item()
    assert 0 < share < 1
    for i in range(N):
        expected = share * i + (1 - share) * ((i - 1) % N)
        assert (mixed[i] - expected).abs().max().item() < 1e-5
        assert shares[i, i].item() == pytest.approx(share)
        assert shares[i, (i - 1) % N].item() == pytest.approx(1 - share, abs=1e-6)
    assert shares.sum(1).tolist() == pytest.approx([1.0] * N)


def test_cutmix_takes_a_rectangle_and_its_area_of_the_label(device):
    images, labels = batch()
    sizes = set()
    for _ in range(20):
        mixed, shares = CutMix(num_classes=N)(images, labels)
        replaced = mixed[2, 0] == 1
        assert ((mixed[2, 0] == 2) | replaced).all()
        share = replaced.float().mean().item()
        assert shares[2, 1].item() == pytest.approx(share, abs=1e-6)
        assert shares[2, 2].item() == pytest.approx(1 - share, abs=1e-6)
        rows, columns = replaced.any(1).sum().item(), replaced.any(0).sum().item()
        assert replaced.sum().item() == rows * columns  # one rectangle
        sizes.add((rows, columns))
    assert len(sizes) > 5


def test_the_batch_itself_stays_as_it_is(device):
    images, labels = batch()
    before = images.clone()
    MixUp(num_classes=N)(images, labels)
    CutMix(num_classes=N)(images, labels)
    assert (images == before).all()


def test_labels_may_be_shares_already(device):
    images, labels = batch()
    lucid.manual_seed(1)
    expected = MixUp(num_classes=N)(images, labels)[1]
    lucid.manual_seed(1)
    assert (MixUp()(images, lucid.eye(N))[1] == expected).all()


def test_small_alpha_mixes_little_and_large_alpha_evenly():
    images, labels = batch()
    shares = {}
    for alpha in (0.05, 50.0):
        values = [
            MixUp(alpha=alpha, num_classes=N)(images, labels)[1][0, 0].item() for _ in range(60)
        ]
        shares[alpha] = sum(min(v, 1 - v) for v in values) / 60
    assert shares[0.05] < 0.1  # the mean of min(x, 1 - x) of Beta(0.05, 0.05) is 0.03
    assert shares[50.0] > 0.4  # of Beta(50, 50) it is 0.46


def test_as_a_collate_function_it_does_not_depend_on_workers():
    def epoch(workers):
        lucid.manual_seed(4)
        data = TensorDataset(*batch())
        collate = MixedCollate(MixUp(num_classes=N))
        loader = DataLoader(data, 2, shuffle=True, num_workers=workers, collate_fn=collate)
        return [tensor.numpy() for pair in loader for tensor in pair]

    for here, there in zip(epoch(0), epoch(2), strict=True):
        assert (here == there).all()


def test_wrong_batches_are_named():
    images, labels = batch()
    with pytest.raises(DTypeError, match="MixUp: labels of whole numbers need num_classes"):
        MixUp()(images, labels)
    with pytest.raises(ShapeError, match=r"CutMix: labels must be \(N,\) or .* N = 6; got \(5,\)"):
        CutMix(num_classes=N)(images, labels[:5])
    with pytest.raises(ShapeError, match="MixUp: images must be floats"):
        MixUp(num_classes=N)(images.to(lucid.uint8), labels)
    with pytest.raises(ValueError, match="MixUp: alpha must be positive; got 0"):
        MixUp(alpha=0)

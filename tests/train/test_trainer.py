"""Trainer: it learns, and stops and goes on at any step as if nothing had happened."""

import pytest

import lucid
from lucid.errors import LucidError
from lucid.serialization import load, save
from tests.train.tiny import EPOCHS, STEPS, make


class After:
    """Says stop after some steps."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left == 0


def numbers(trainer):
    """The history without the seconds, which are never the same."""
    return [row[:-1] for row in trainer.history]


@pytest.fixture(scope="module")
def whole():
    trainer = make()
    assert trainer.fit()
    return trainer


def test_learns(whole):
    assert whole.history[-1].test_loss < whole.history[0].test_loss
    assert whole.history[-1].test_accuracy > 0.9


def test_same_seed_same_weights_bit_for_bit(whole):
    again = make()
    again.fit()
    assert again.fingerprint() == whole.fingerprint()
    assert numbers(again) == numbers(whole)


def test_another_seed_other_weights(whole):
    other = make(seed=1)
    other.fit()
    assert other.fingerprint() != whole.fingerprint()


def test_worker_processes_change_nothing(whole):
    trainer = make(workers=2)
    trainer.fit()
    assert trainer.fingerprint() == whole.fingerprint()


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 7, 14, 17])
def test_stopped_anywhere_and_resumed_it_gives_the_same(steps, whole, tmp_path):
    first = make()
    assert not first.fit(stop=After(steps))
    save(first.state_dict(), tmp_path / "state.safetensors")

    second = make(seed=99)  # nothing of it may be left
    second.load_state_dict(load(tmp_path / "state.safetensors"))
    assert second.fit()
    assert second.fingerprint() == whole.fingerprint()
    assert numbers(second) == numbers(whole)


def test_stop_is_asked_after_each_step_and_each_epoch():
    trainer, asked = make(), []
    trainer.fit(stop=lambda: asked.append((trainer.epoch, trainer.step)))
    epoch = [(0, step) for step in range(1, STEPS + 1)] + [(1, 0)]
    assert asked[: STEPS + 1] == epoch
    assert len(asked) == EPOCHS * (STEPS + 1)


def test_training_loss_is_the_mean_over_the_images_of_the_epoch():
    trainer, sums = make(), []
    trainer.fit(on_step=lambda: sums.append((trainer.loss_sum, trainer.seen)))
    loss, seen = sums[STEPS - 1]
    assert seen == 40
    assert trainer.history[0].train_loss == loss / 40


def test_a_finished_trainer_does_no_more(whole):
    before = whole.fingerprint()
    assert whole.fit()
    assert len(whole.history) == EPOCHS
    assert whole.fingerprint() == before


def test_evaluation_draws_no_random_numbers(whole):
    state = lucid.default_generator.state_tuple()
    whole.evaluate()
    assert lucid.default_generator.state_tuple() == state


def test_infinite_loss_is_one_sentence_and_leaves_the_weights():
    trainer = make()
    with lucid.no_grad():
        trainer.model[5].bias.fill_(float("inf"))
    before = trainer.fingerprint()
    with pytest.raises(LucidError, match=r"loss must stay finite; got nan in epoch 1, step 1"):
        trainer.fit()
    assert [p.grad for p in trainer.model.parameters()] == [None] * 6
    assert trainer.optimizer.state_dict()["state"] == {}
    assert before  # batch norm's running statistics may have moved, the weights have not


def test_trains_on_every_device(device):
    trainer = make(device)
    assert trainer.fit()
    assert {str(p.device) for p in trainer.model.parameters()} == {str(device)}
    assert trainer.history[-1].test_accuracy > 0.9

"""Optimizers, one per file, and learning rate schedulers."""

from lucid.optim import lr_scheduler as lr_scheduler
from lucid.optim.adadelta import Adadelta as Adadelta
from lucid.optim.adagrad import Adagrad as Adagrad
from lucid.optim.adam import Adam as Adam
from lucid.optim.adamw import AdamW as AdamW
from lucid.optim.optimizer import Optimizer as Optimizer
from lucid.optim.rmsprop import RMSprop as RMSprop
from lucid.optim.sgd import SGD as SGD

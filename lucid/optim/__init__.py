"""Optimizers, one per file, and learning rate schedulers."""

from lucid.optim import lr_scheduler as lr_scheduler
from lucid.optim import swa_utils as swa_utils
from lucid.optim.adadelta import Adadelta as Adadelta
from lucid.optim.adagrad import Adagrad as Adagrad
from lucid.optim.adam import Adam as Adam
from lucid.optim.adamax import Adamax as Adamax
from lucid.optim.adamw import AdamW as AdamW
from lucid.optim.asgd import ASGD as ASGD
from lucid.optim.lbfgs import LBFGS as LBFGS
from lucid.optim.nadam import NAdam as NAdam
from lucid.optim.optimizer import Optimizer as Optimizer
from lucid.optim.radam import RAdam as RAdam
from lucid.optim.rmsprop import RMSprop as RMSprop
from lucid.optim.rprop import Rprop as Rprop
from lucid.optim.sgd import SGD as SGD

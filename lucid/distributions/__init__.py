"""Probability distributions: sample, log_prob, entropy, kl_divergence. Random numbers are lucid's.

>>> from lucid.distributions import Normal
>>> Normal(0.0, 1.0).log_prob(lucid.tensor(0.0))
Tensor(-0.9189)
"""

import sys
from types import ModuleType

from lucid.distributions.continuous import Exponential as Exponential
from lucid.distributions.continuous import Laplace as Laplace
from lucid.distributions.continuous import Normal as Normal
from lucid.distributions.continuous import Uniform as Uniform
from lucid.distributions.discrete import Bernoulli as Bernoulli
from lucid.distributions.discrete import Categorical as Categorical
from lucid.distributions.discrete import OneHotCategorical as OneHotCategorical
from lucid.distributions.distribution import Distribution as Distribution
from lucid.distributions.distribution import Independent as Independent
from lucid.distributions.divergence import kl_divergence as kl_divergence
from lucid.distributions.divergence import register_kl as register_kl

_FILES = {  # PyTorch's files, which scripts import from
    "bernoulli": ("Bernoulli",),
    "categorical": ("Categorical",),
    "exponential": ("Exponential",),
    "independent": ("Independent",),
    "kl": ("kl_divergence", "register_kl"),
    "laplace": ("Laplace",),
    "normal": ("Normal",),
    "one_hot_categorical": ("OneHotCategorical",),
    "uniform": ("Uniform",),
}
for _name, _members in _FILES.items():
    _file = ModuleType(f"{__name__}.{_name}", "The same as in lucid.distributions.")
    vars(_file).update({name: globals()[name] for name in _members})
    sys.modules[_file.__name__] = globals()[_name] = _file

"""cuDNN through nvidia-cudnn-frontend: graphs, and the plans that are made of them.

    graph.py         tensors of a graph; what a problem must tell
    convolution.py   convolution, with a bias or without, and its two gradients
    batch_norm.py    batch norm in training, and its gradient
    plans.py         plan_for(owner, problem).run(*arrays): made once per problem and device
    frontend.py      the library: handles, building, execution

A plan is what cuDNN chose for one shape, layout, type and mode. ``lucid.backends.cudnn.benchmark``
lets it time several and keep the fastest.
"""

from lucid.backend.cuda.cudnn.batch_norm import BatchNorm as BatchNorm
from lucid.backend.cuda.cudnn.convolution import Convolution as Convolution
from lucid.backend.cuda.cudnn.frontend import Library as Library
from lucid.backend.cuda.cudnn.frontend import library as library
from lucid.backend.cuda.cudnn.frontend import version as version
from lucid.backend.cuda.cudnn.frontend import why_unavailable as why_unavailable
from lucid.backend.cuda.cudnn.graph import Layout as Layout
from lucid.backend.cuda.cudnn.graph import layout_of as layout_of
from lucid.backend.cuda.cudnn.plans import Plan as Plan
from lucid.backend.cuda.cudnn.plans import aligned as aligned
from lucid.backend.cuda.cudnn.plans import plan_for as plan_for
from lucid.backend.cuda.cudnn.plans import plan_if_supported as plan_if_supported
from lucid.backend.cuda.cudnn.plans import prepare as prepare
from lucid.backend.cuda.cudnn.plans import refusals as refusals

"""Mixed precision: autocast, loss scaling, and custom functions that know of both.

Weights stay float32; inside a region products of matrices run in halves, losses and what overflows
in float32. The gradients of float16 are small enough to vanish, so the loss is scaled:

    scaler = lucid.amp.GradScaler()
    for x, t in loader:
        with lucid.autocast("cuda"):
            loss = loss_function(model(x), t)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
"""

from lucid.amp.autocast_mode import autocast as autocast
from lucid.amp.autocast_mode import is_autocast_available as is_autocast_available
from lucid.amp.custom import custom_bwd as custom_bwd
from lucid.amp.custom import custom_fwd as custom_fwd
from lucid.amp.grad_scaler import GradScaler as GradScaler

"""How a differentiable operation is written, called, promoted and run in place."""

from lucid.op.arguments import explained as explained
from lucid.op.base import Op as Op
from lucid.op.casting import casts as casts
from lucid.op.conventions import Dims as Dims
from lucid.op.conventions import ValuesIndices as ValuesIndices
from lucid.op.conventions import as_number as as_number
from lucid.op.conventions import check_reduction as check_reduction
from lucid.op.conventions import dimension as dimension
from lucid.op.conventions import dimensions as dimensions
from lucid.op.conventions import floating as floating
from lucid.op.conventions import one_dtype as one_dtype
from lucid.op.conventions import reduced as reduced
from lucid.op.conventions import sizes as sizes
from lucid.op.conventions import undo_reduction as undo_reduction
from lucid.op.conventions import whole as whole
from lucid.op.promotion import result_type as result_type
from lucid.op.writing import WriteView as WriteView
from lucid.op.writing import inplace as inplace
from lucid.op.writing import inplace_method as inplace_method

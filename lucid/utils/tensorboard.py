"""SummaryWriter: curves, histograms, images and texts for TensorBoard, written by its own package.

pip install tensorboard

writer = SummaryWriter("runs/first")
writer.add_scalar("loss", loss, step)
"""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from lucid.errors import LucidError, ShapeError
from lucid.tensor import Tensor

try:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
except ImportError as error:
    raise ImportError(
        "lucid.utils.tensorboard: needs the package tensorboard, which is not installed."
        " Hint: pip install tensorboard"
    ) from error

__all__ = ["SummaryWriter"]

_LAYOUTS = {"CHW": (1, 2, 0), "HWC": (0, 1, 2), "HW": None}


def _array(value: Any) -> np.ndarray:
    """Numbers, arrays and tensors as a NumPy array."""
    return value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value)


def _scalar(name: str, value: Any) -> float:
    array = _array(value)
    if array.size != 1:
        raise ShapeError(f"{name}: the value must be one number; got shape {array.shape}")
    return float(array.reshape(()).astype(np.float64))


class SummaryWriter:
    """Writes event files to ``log_dir``; by default runs/<date>_<host><comment>.

    ``purge_step``: after a crash, that what was written from this step on be hidden. ``max_queue``
    values wait in memory for at most ``flush_secs`` seconds. Usable as a context manager.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ):
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self._settings = (max_queue, flush_secs, filename_suffix)
        self._writers: dict[str, Any] = {}
        self._writer(self.log_dir)
        if purge_step is not None:
            event = Event(step=purge_step, file_version="brain.Event:2", wall_time=time.time())
            self._writers[self.log_dir].add_event(event)

    def _writer(self, folder: str) -> Any:
        if folder not in self._writers:
            self._writers[folder] = EventFileWriter(folder, *self._settings)
        return self._writers[folder]

    def _add(self, summary: Any, step: Any, walltime: float | None, folder: str = "") -> None:
        event = Event(summary=summary, wall_time=time.time() if walltime is None else walltime)
        if step is not None:
            event.step = int(_scalar("SummaryWriter", step))
        self._writer(folder or self.log_dir).add_event(event)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A point of the curve ``tag``."""
        value = _scalar("add_scalar", scalar_value)
        self._add(_curve(tag, value, new_style or double_precision), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """A point of each of several curves in one plot; each has a folder of its own."""
        for tag, value in tag_scalar_dict.items():
            folder = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            summary = _curve(main_tag, _scalar("add_scalars", value), False)
            self._add(summary, global_step, walltime, folder)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: str | int | Sequence[float] = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """The distribution of all elements, e.g. of a layer's weights.

        ``bins``: numpy.histogram's, or "tensorflow": exponentially wider away from 0.
        """
        numbers = _array(values).reshape(-1).astype(np.float64)
        if not numbers.size:
            raise ShapeError(f"add_histogram: there must be values; got none for {tag!r}")
        edges = _exponential_edges() if isinstance(bins, str) and bins == "tensorflow" else bins
        counts, limits = np.histogram(numbers, bins=edges)
        if max_bins is not None and len(counts) > max_bins:
            group = -(-len(counts) // max_bins)
            padded = np.pad(counts, (0, -len(counts) % group))
            counts, limits = padded.reshape(-1, group).sum(1), np.r_[limits[:-1:group], limits[-1]]
        filled = np.flatnonzero(counts)
        first, last = (filled[0], filled[-1]) if filled.size else (0, 0)
        start = max(first - 1, 0)  # an empty bin in front says where the first full one begins
        histogram = HistogramProto(
            min=numbers.min(),
            max=numbers.max(),
            num=len(numbers),
            sum=numbers.sum(),
            sum_squares=numbers.dot(numbers),
            bucket_limit=limits[start + 1 : last + 2].tolist(),
            bucket=counts[start : last + 1].tolist(),
        )
        self._add(Summary(value=[Summary.Value(tag=tag, histo=histogram)]), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """One image: floats in [0, 1] or uint8; ``dataformats`` CHW, HWC or HW."""
        pixels = _as_bytes(_array(img_tensor))
        if dataformats not in _LAYOUTS or pixels.ndim != len(dataformats):
            raise ShapeError(
                f"add_image: the image must be CHW, HWC or HW, as dataformats says; got"
                f" {dataformats!r} for shape {pixels.shape}"
            )
        order = _LAYOUTS[dataformats]
        pixels = pixels[..., None] if order is None else pixels.transpose(order)
        self._add(_picture(tag, pixels), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """A batch as one image, in about as many rows as columns; NCHW or NHWC."""
        pixels = _as_bytes(_array(img_tensor))
        if dataformats not in ("NCHW", "NHWC") or pixels.ndim != 4:
            raise ShapeError(
                "add_images: the images must be NCHW or NHWC, as dataformats says; got"
                f" {dataformats!r} for shape {pixels.shape}"
            )
        pixels = pixels.transpose(0, 2, 3, 1) if dataformats == "NCHW" else pixels
        n, h, w, c = pixels.shape
        columns = int(np.ceil(np.sqrt(n)))
        rows = -(-n // columns)
        grid = np.zeros((rows * columns, h, w, c), np.uint8)
        grid[:n] = pixels
        joined = grid.reshape(rows, columns, h, w, c).swapaxes(1, 2).reshape(rows * h, -1, c)
        self._add(_picture(tag, joined), global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """A Matplotlib figure, or several as a batch; with ``close`` closed afterwards."""
        from matplotlib import pyplot
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figures = figure if isinstance(figure, (list, tuple)) else [figure]
        pictures = []
        for one in figures:
            canvas = FigureCanvasAgg(one)
            canvas.draw()
            pictures.append(np.asarray(canvas.buffer_rgba())[..., :3])
            if close:
                pyplot.close(one)
        self.add_images(tag, np.stack(pictures), global_step, walltime, "NHWC")

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """A text, which TensorBoard shows as Markdown."""
        tensor = TensorProto(
            dtype="DT_STRING",
            string_val=[text_string.encode()],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        )
        plugin = SummaryMetadata.PluginData(plugin_name="text")
        value = Summary.Value(
            tag=f"{tag}/text_summary", metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor
        )
        self._add(Summary(value=[value]), global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: dict[str, Any],
        metric_dict: dict[str, Any],
        hparam_domain_discrete: dict[str, list[Any]] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """Settings of a run and what came of them, as a line in TensorBoard's table of runs."""
        from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

        kinds = {bool: "DATA_TYPE_BOOL", str: "DATA_TYPE_STRING"}
        settings = {k: _plain_setting(v) for k, v in hparam_dict.items()}
        described = []
        for name, value in settings.items():
            kind = api_pb2.DataType.Value(kinds.get(type(value), "DATA_TYPE_FLOAT64"))
            info = api_pb2.HParamInfo(name=name, type=kind)
            for choice in (hparam_domain_discrete or {}).get(name, []):
                info.domain_discrete.values.add(
                    **{"number_value" if kind == 3 else "string_value": choice}
                )
            described.append(info)
        metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metric_dict]
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in settings.items():
            field = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
            setattr(start.hparams[name], field, value)
        done = api_pb2.Status.Value("STATUS_SUCCESS")
        parts = {
            "experiment": api_pb2.Experiment(hparam_infos=described, metric_infos=metrics),
            "session_start_info": start,
            "session_end_info": plugin_data_pb2.SessionEndInfo(
                status=done, end_time_secs=time.time()
            ),
        }
        for name, part in parts.items():
            content = plugin_data_pb2.HParamsPluginData(version=0, **{name: part})
            plugin = SummaryMetadata.PluginData(
                plugin_name="hparams", content=content.SerializeToString()
            )
            value = Summary.Value(
                tag=f"_hparams_/{name}", metadata=SummaryMetadata(plugin_data=plugin)
            )
            self._add(Summary(value=[value]), global_step, None, folder)
        for tag, value in metric_dict.items():
            point = _curve(tag, _scalar("add_hparams", value), False)
            self._add(point, global_step, None, folder)

    def add_graph(self, model: Any, input_to_model: Any = None, *more: Any, **options: Any) -> None:
        """Not offered: lucid's graph is that of one call, and TensorBoard's of a program."""
        raise LucidError(
            f"add_graph: lucid has no program to show; got {type(model).__name__}."
            " Hint: lucid.onnx.export writes one, which Netron shows"
        )

    def get_logdir(self) -> str:
        """The folder of the event files."""
        return self.log_dir

    def flush(self) -> None:
        """Write what waits in memory."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write what waits, and close the files. A later ``add`` opens new ones."""
        for writer in self._writers.values():
            writer.flush()
            writer.close()
        self._writers.clear()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _curve(tag: str, value: float, as_tensor: bool) -> Any:
    if not as_tensor:
        return Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    plugin = SummaryMetadata.PluginData(plugin_name="scalars")
    tensor = TensorProto(dtype="DT_DOUBLE", double_val=[value])
    metadata = SummaryMetadata(plugin_data=plugin)
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])


def _exponential_edges() -> np.ndarray:
    """0 and 1e-12 · 1.1**k on both sides, up to 1e20: TensorFlow's histogram."""
    steps = 1e-12 * 1.1 ** np.arange(np.ceil(np.log(1e32) / np.log(1.1)))
    return np.r_[-steps[::-1], 0.0, steps]


def _as_bytes(pixels: np.ndarray) -> np.ndarray:
    """uint8 as they are; other numbers from [0, 1]."""
    if pixels.dtype == np.uint8:
        return pixels
    return (pixels.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def _picture(tag: str, pixels: np.ndarray) -> Any:
    """(H, W, C) bytes as a PNG."""
    from PIL import Image

    h, w, c = pixels.shape
    stored = io.BytesIO()
    Image.fromarray(pixels[..., 0] if c == 1 else pixels).save(stored, format="PNG")
    image = Summary.Image(height=h, width=w, colorspace=c, encoded_image_string=stored.getvalue())
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def _plain_setting(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return value
    return _scalar("add_hparams", value)

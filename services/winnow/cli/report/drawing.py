"""Frames as HTML: small, with boxes over them, with heat over them."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.cli.report.looks import DrawnBox
from winnow.domain.errors import BadInput
from winnow.tasks.decode import decode_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

THUMB_PIXELS = 96
SHOWN_PIXELS = 320
"""Width of a frame with boxes or heat."""
CLASS_COLOURS = ("#2aa9e0", "#b08900", "#e8590c", "#37b24d", "#c2255c", "#9c6ade")
GOLDEN_ANGLE = 137.508
"""Degrees; multiples of it never come close to each other soon."""

STYLE = """
.boxed { position:relative; line-height:0 }
.boxed img { width:100%; border-radius:4px; display:block }
.boxed svg { position:absolute; inset:0; width:100%; height:100% }
.boxed rect { fill:none; stroke-width:1.6; vector-effect:non-scaling-stroke }
.boxed rect.true { stroke:#fff; stroke-width:1.2; stroke-dasharray:3 2;
                   filter:drop-shadow(0 0 .6px #000) }
.look { display:grid; gap:.5rem; margin:.2rem 0 .2rem; line-height:1.3;
        background:#fff; border:1px solid var(--line); border-radius:8px; padding:.6rem }
.look span { font-size:.74rem; color:var(--soft); display:block; padding-top:.2rem }
.look + p.note { margin:.1rem 0 1rem }
.key i { display:inline-block; width:.8em; height:.8em; border:2px solid; margin:0 .3em 0 1em }
.frame .boxed img { aspect-ratio:auto; margin-bottom:0 }
.frame .boxed { margin-bottom:.25rem }
"""


def thumbnail(frame: bytes) -> str:
    """Give an `img` element with the frame, small; a frame that cannot be read says so."""
    image = _opened(frame)
    if image is None:
        return '<img alt="unreadable">'
    image.thumbnail((THUMB_PIXELS, THUMB_PIXELS))
    return _img(image)


def boxed(
    frame: bytes, boxes: Iterable[DrawnBox], class_names: Sequence[str], *, width: int
) -> str:
    """Give a frame with its boxes over it: coloured by class, those of people white and dashed.

    Parameters
    ----------
    width
        Of the picture, pixels.
    """
    image = _opened(frame)
    if image is None:
        return '<img alt="unreadable">'
    rects = "".join(_rect(box, class_names) for box in boxes)
    view = f"0 0 {image.width} {image.height}"
    picture = _img(_sized(image, width))
    return f'<div class="boxed">{picture}<svg viewBox="{view}">{rects}</svg></div>'


def heated(frame: bytes, heat_HW: npt.NDArray[np.float64], *, top: float) -> str:
    """Give a frame in grey with heat over it; `top` is the hottest there is."""
    from matplotlib import colormaps
    from PIL import Image

    image = _opened(frame)
    if image is None:
        return '<img alt="unreadable">'
    grey = np.asarray(_sized(image, SHOWN_PIXELS).convert("L"), dtype=np.float64)[..., None]
    share = Image.fromarray((heat_HW / (top or 1.0)).astype(np.float32))
    height, width = grey.shape[:2]
    smooth = share.resize((width, height), Image.Resampling.BILINEAR)
    hot_HW = np.sqrt(np.clip(np.asarray(smooth, dtype=np.float64), 0.0, 1.0))
    colours = colormaps["inferno"](0.25 + 0.75 * hot_HW)[..., :3] * 255
    mixed = (1 - hot_HW[..., None]) * 0.75 * grey + hot_HW[..., None] * colours
    return f'<div class="boxed">{_img(Image.fromarray(mixed.astype(np.uint8)))}</div>'


def colour_of(class_name: str, class_names: Sequence[str]) -> str:
    """Give the colour of a class; those after the first few are spread over the hues."""
    place = list(class_names).index(class_name)
    if place < len(CLASS_COLOURS):
        return CLASS_COLOURS[place]
    return f"hsl({place * GOLDEN_ANGLE % 360:.0f} 65% 50%)"


def key(class_names: Sequence[str]) -> str:
    """Give what colours mean."""
    items = "".join(
        f'<i style="border-color:{colour_of(name, class_names)}"></i>{html.escape(name)}'
        for name in class_names
    )
    return f'<p class="note key">Boxes:{items}; white and dashed: what annotators drew.</p>'


def _rect(box: DrawnBox, class_names: Sequence[str]) -> str:
    x, y, width, height = box.box
    place = f'x="{x}" y="{y}" width="{width}" height="{height}"'
    name = html.escape(box.class_name)
    if box.score is None:
        return f'<rect class="true" {place}><title>{name}</title></rect>'
    stroke = colour_of(box.class_name, class_names)
    return f'<rect stroke="{stroke}" {place}><title>{name} {box.score:.2f}</title></rect>'


def _opened(frame: bytes) -> Image | None:
    from PIL import Image

    try:
        return Image.fromarray(decode_rgb(frame))
    except BadInput:
        return None


def _sized(image: Image, width: int) -> Image:
    from PIL import Image as Images

    height = round(image.height * width / image.width)
    return image.resize((width, height), Images.Resampling.BICUBIC)


def _img(image: Image) -> str:
    small = image.width * image.height <= 64 * 64
    sink = io.BytesIO()
    image.save(sink, "PNG" if small else "JPEG", quality=80, optimize=True)
    kind = "png" if small else "jpeg"
    text = base64.b64encode(sink.getvalue()).decode()
    return f'<img alt="frame" loading="lazy" src="data:image/{kind};base64,{text}">'

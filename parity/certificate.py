"""A certificate: what was compared, what is beyond a budget, and the page and the JSON file that say so."""
import base64
import html
import json
import math
from string import Template
from typing import NamedTuple

import cv2
import numpy as np

from matting.files import atomic_path
from parity.picture import SHADES, shade

TAP_BUDGET = 1e-4  # far above rounding, far below what the mildest bug that the suite plants makes (1e-3)
LEVELS = 1  # of the 8-bit matte that a pixel may differ by: rounding lies on a border between two levels
SHARE = 0.002  # of the unknown pixels that may differ at all
THUMBNAIL = 220  # pixels, a picture's longer side on the page
PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Certificate of $file</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;color:#1c2530;background:#f4f5f7;margin:0}
main{max-width:72rem;margin:2rem auto;padding:0 1rem}
section{background:#fff;border:1px solid #dde1e6;border-radius:8px;padding:1rem 1.5rem;margin:1rem 0;overflow-x:auto}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:.2rem 0 .6rem}p{margin:.4rem 0}
.verdict{border-left:10px solid $colour}.verdict strong{color:$colour;font-size:1.15rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.15rem 1rem .15rem 0;text-align:left;vertical-align:top;white-space:nowrap}
th{font-weight:600}thead th{border-bottom:1px solid #dde1e6;white-space:normal;vertical-align:bottom}
td.text{white-space:normal}
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
.note{color:#5a6572;font-size:.9rem}i.cell{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;
margin-right:.4rem;vertical-align:-1px}td img{display:block;border:1px solid #dde1e6}
.above{color:#b00020;font-weight:600}
</style>
<main>
<section class="verdict"><h1>Certificate of $file</h1><p><strong>$verdict</strong></p>$faults
<p>The same weights and the same input in every runtime. A <em>tap</em> is an intermediate result; its difference is the
largest one anywhere in it, divided by the largest value in $reference's. The budget is $budget: rounding makes about
1e-6, the mildest bug that the suite plants makes 1e-3. Of the 8-bit mattes at most $share&nbsp;% of the unknown pixels
may differ, by $levels level.</p></section>
<section><h2>The file</h2><table>$facts</table></section>
<section><h2>Runtimes against $reference</h2><table><thead><tr><th>runtime<th>largest difference at a tap<th>where
<th>mattes: largest difference<th>pixels that differ<th>verdict</thead>$runtimes</table></section>
<section><h2>Photographs</h2><table><thead><tr><th>photograph<th>trimap<th>matte<th>difference of the 8-bit matte, for
each runtime</thead>$photographs</table></section>
<section><h2>Every tap</h2><p class="note">$input The column <em>rounding</em> is $reference's own network in double
precision.</p><p class="note">$shades</p><table><thead><tr><th>tap<th>rounding$heads</thead>$taps</table></section>
<section><h2>Where it was measured</h2><table>$environment</table></section>
</main></html>
""")


class Matte(NamedTuple):
    """How a runtime's 8-bit matte of a photograph differs from the reference's."""

    levels: int  # at most
    differing: int  # pixels
    unknown: int  # pixels, of the trimap

    @property
    def within(self):
        return self.levels <= LEVELS and self.differing <= SHARE * self.unknown


class Column(NamedTuple):
    """What one runtime gave."""

    name: str
    taps: list  # of Difference, in order of execution
    mattes: list  # of Matte, one a photograph
    refused: str = ""  # why there is none of it

    @property
    def worst(self):
        """The Difference of the tap that is farthest off."""
        return max(self.taps, key=lambda found: found.relative)

    def faults(self, photographs):
        """What is beyond a budget, in words; photographs: their names."""
        if self.refused:
            return [self.refused]
        beyond = [found for found in self.taps if not found.relative <= TAP_BUDGET]
        faults = [f"{found.name} differs by {found.relative:.1e} of its maximum" for found in beyond[:1]]
        return faults + [
            f"{name} by {counted(matte.levels, 'level')} at most, at {matte.differing} of {matte.unknown} pixels"
            for name, matte in zip(photographs, self.mattes, strict=True) if not matte.within]


class Picture(NamedTuple):
    """A photograph that was matted."""

    name: str
    image: np.ndarray  # (H, W, 3) uint8
    trimap: np.ndarray
    matte: np.ndarray  # (H, W) uint8, the reference's


class Certificate(NamedTuple):
    """All that was found."""

    file: str
    facts: dict  # {what: text} of the file
    settings: dict  # {key: value} of its network and what its input is made with
    reference: str  # the runtime that others are compared with
    rounding: list  # of Difference: the reference in double precision
    columns: list
    pictures: list
    input: str  # what the taps were measured with, a sentence
    environment: dict
    remark: str = ""  # about who is at fault

    @property
    def faults(self):
        """{runtime: what is beyond a budget}, for those of which something is."""
        names = [picture.name for picture in self.pictures]
        return {column.name: faults for column in self.columns if (faults := column.faults(names))}


def write(certificate, path):
    """The page, and beside it the JSON file; both whole or not at all."""
    for name, text in ((path, to_html(certificate)), (path.with_suffix(".json"), to_json(certificate))):
        with atomic_path(name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def to_json(certificate):
    """JSON text; an infinite difference, of another shape or not finite, is null."""
    def listed(differences):
        return [{"name": found.name, "difference": finite(found.relative)} for found in differences]

    runtimes = [{"name": column.name, "within": column.name not in certificate.faults, "refused": column.refused,
                 "taps": listed(column.taps),
                 "mattes": [{"photograph": picture.name, **matte._asdict()} for picture, matte in
                            zip(certificate.pictures, column.mattes, strict=False)]} for column in certificate.columns]
    return json.dumps({
        "file": certificate.file, **certificate.facts, "settings": certificate.settings,
        "within": not certificate.faults, "faults": certificate.faults, "remark": certificate.remark,
        "budgets": {"tap": TAP_BUDGET, "levels": LEVELS, "share_of_unknown_pixels": SHARE},
        "input": certificate.input, "reference": certificate.reference, "rounding": listed(certificate.rounding),
        "runtimes": runtimes, "environment": certificate.environment}, indent=1) + "\n"


def finite(number):
    return number if math.isfinite(number) else None


def to_html(certificate):
    """The page, which needs nothing else."""
    faults = certificate.faults
    facts = certificate.facts | {"settings": ", ".join(f"{key} {value}" for key, value in certificate.settings.items())}
    said = [f"{name}: {'; '.join(found)}." for name, found in faults.items()] + [certificate.remark]
    return PAGE.substitute(
        file=html.escape(certificate.file), reference=html.escape(certificate.reference),
        colour="#b00020" if faults else "#1a7f4e",
        verdict=f"Above a budget: {html.escape(', '.join(faults))}" if faults else
                "Equal in every runtime, within every budget",
        faults="".join(f'<p class="above">{html.escape(line)}</p>' for line in said if line),
        budget=f"{TAP_BUDGET:.0e}", share=f"{100 * SHARE:g}", levels=LEVELS,
        facts=rows(facts), environment=rows(certificate.environment),
        runtimes="".join(runtime_row(column, certificate) for column in certificate.columns),
        photographs="".join(picture_row(number, picture, certificate) for number, picture in
                            enumerate(certificate.pictures)),
        input=html.escape(certificate.input),
        shades=" ".join(f"{square(colour)}{share}&ensp;" for share, colour in SHADES.items()),
        heads="".join(f"<th>{html.escape(column.name)}" for column in certificate.columns),
        taps=tap_rows(certificate))


def rows(texts):
    return "".join(f'<tr><th>{html.escape(what)}<td class="text">{html.escape(str(text))}'
                   for what, text in texts.items())


def runtime_row(column, certificate):
    if column.refused:
        return f'<tr><th>{html.escape(column.name)}<td class="text above" colspan="5">{html.escape(column.refused)}'
    pixels, unknown = (sum(getattr(matte, part) for matte in column.mattes) for part in ("differing", "unknown"))
    levels = max(matte.levels for matte in column.mattes)
    verdict = '<td class="above">above' if column.name in certificate.faults else "<td>within"
    return (f"<tr><th>{html.escape(column.name)}<td>{cell(column.worst)}<td>{html.escape(column.worst.name)}"
            f"<td>{counted(levels, 'level')}<td>{pixels} of {unknown:,} unknown{verdict}")


def picture_row(number, picture, certificate):
    found = [(column.name, column.mattes[number]) for column in certificate.columns if column.mattes]
    lines = "<br>".join(
        f'<span class="{"within" if matte.within else "above"}">{html.escape(name)}: {counted(matte.levels, "level")} '
        f'at {counted(matte.differing, "pixel")}</span>' for name, matte in found)
    height, width = picture.trimap.shape
    return (f"<tr><td>{thumbnail(picture.image)}<td>{thumbnail(picture.trimap)}<td>{thumbnail(picture.matte)}"
            f'<td class="text"><strong>{html.escape(picture.name)}</strong><br>'
            f'<span class="note">{width}&times;{height}, {found[0][1].unknown if found else 0:,} pixels unknown</span>'
            f"<br>{lines}")


def tap_rows(certificate):
    of_columns = [{found.name: found for found in column.taps} for column in certificate.columns]
    return "".join(
        f"<tr><td><code>{html.escape(found.name)}</code><td>{found.relative:.1e}"
        + "".join(f"<td>{cell(taps[found.name]) if found.name in taps else '&ndash;'}" for taps in of_columns)
        for found in certificate.rounding)


def cell(found):
    return f"{square(shade(found.relative, TAP_BUDGET))}{found.relative:.1e}"


def square(colour):
    return f'<i class="cell" style="background:{colour}"></i>'


def counted(number, what):
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def thumbnail(pixels):
    """(H, W) or (H, W, 3) uint8 -> an img that holds its own bytes."""
    scale = min(1, THUMBNAIL / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", small[..., ::-1] if small.ndim == 3 else small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(encoded).decode()}">'

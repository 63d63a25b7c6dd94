"""The format matrix: films of every kind that archives hold, each with a known answer.

It is no full product. Of every axis (container, pixel format, rate, order of fields, shape,
rotation, timing) every value meets every codec, and every container, with which it can go at least
once; each is put together with the values least used beside it so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from lab.sample import numbered_film

FRAMES = 24
RATES = {
    "25": Fraction(25),
    "23.976": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "59.94": Fraction(60000, 1001),
    "18": Fraction(18),  # of silent film
}
# Width and height as stored, and how wide a pixel is.
SHAPES = {
    "small": ((256, 128), Fraction(1)),
    "tall": ((144, 256), Fraction(1)),
    "odd": ((719, 405), Fraction(1)),
    "wide": ((352, 288), Fraction(16, 11)),
    "cif": ((352, 288), Fraction(12, 11)),
    "hd": ((1920, 1080), Fraction(1)),
    "pal": ((720, 576), Fraction(16, 15)),
    "ntsc": ((720, 480), Fraction(8, 9)),
}
WRAP = Fraction(2**33, 90000)  # seconds after which the clock of MPEG streams begins anew
TIMINGS = {
    "steady": lambda i, rate: i / rate,
    "late": lambda i, rate: 3 + i / rate,
    "gap": lambda i, rate: (i + (48 if i > FRAMES // 2 else 0)) / rate,
    "variable": lambda i, rate: (i + Fraction(i % 3, 4)) / rate,
    "early": lambda i, rate: (i - 5) / rate,  # what comes before zero is hidden by an edit list
    "wrap": lambda i, rate: 95443 + Fraction(1, 2) + i / rate,  # ends after `WRAP`
}
TURNS = (0, 90, 180, 270)


@dataclass(frozen=True)
class Container:
    """What a container can hold, and what becomes of times in it.

    Attributes
    ----------
    timings : str
        Of `TIMINGS`.
    tick : Fraction
        Seconds to which it holds a time; 0 where it is as fine as the film needs.
    shifts : bool
        It begins to decode no earlier than at second `preload`: a film that should be shown sooner
        is delayed as a whole.
    turns : bool
        It can say that pictures are to be turned.
    """

    timings: str = "steady"
    tick: Fraction = Fraction(0)
    shifts: bool = False
    preload: Fraction = Fraction(0)
    turns: bool = False


MILLISECONDS, MPEG_CLOCK = Fraction(1, 1000), Fraction(1, 90000)
BOXES = Container("steady late early gap variable", turns=True)
CLUSTERS = Container("steady late gap variable", MILLISECONDS)
# Not every packet of a program stream has a stamp: FFmpeg goes on from the last in whole ticks.
PROGRAM = Container("steady late wrap", MPEG_CLOCK * 12, True, Fraction(1, 2))
TRANSPORT = Container("steady late gap variable wrap", MPEG_CLOCK, True)
CONTAINERS = {
    "mp4": BOXES,
    "mov": BOXES,
    "3gp": BOXES,
    "mkv": CLUSTERS,
    "webm": CLUSTERS,
    "avi": Container("steady gap", shifts=True),
    "mpg": PROGRAM,
    "vob": PROGRAM,
    "ts": TRANSPORT,
    "m2ts": TRANSPORT,
    "mxf": Container(),
    "flv": Container("steady late gap variable", MILLISECONDS, True),
    "ogg": Container(),
    "asf": Container("steady late gap", 2 * MILLISECONDS, True),
    "dv": Container(),
}


@dataclass(frozen=True)
class Codec:
    """An encoder, which containers take what it gives, and what it can take, of every axis.

    `lead` is the number of frames by which decoding runs ahead of showing.
    """

    encoder: str
    containers: str
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    lead: int = 0
    rates: str = " ".join(RATES)
    fields: str = "none"
    shapes: str = "small tall odd wide"

    def axes(self) -> dict[str, list]:
        """Every axis, with its values."""
        return {
            "container": self.containers.split(),
            "pixels": self.pixels.split(),
            "rate": self.rates.split(),
            "fields": self.fields.split(),
            "shape": self.shapes.split(),
            "timing": list(TIMINGS),
            "turn": list(TURNS),
        }


MPEG = {"g": "12", "bf": "2", "b": "2M"}
PLAIN = {"g": "12", "b": "1M"}
CLOSED = {"x264-params": "keyint=12:bframes=2:open-gop=0:b-pyramid=none:scenecut=0:threads=1"}
OPEN = "keyint=12:min-keyint=12:bframes=3:open-gop=1:b-pyramid=normal:scenecut=0:threads=1"
OPEN = {"x264-params": OPEN}
X265 = "keyint=12:open-gop=1:bframes=3:pools=none:frame-threads=1:log-level=none"
X265 = {"preset": "ultrafast", "x265-params": X265}
VPX = {"deadline": "realtime", "cpu-used": "8", "b": "1M", "threads": "1"}
AV1 = {"preset": "9", "crf": "5", "svtav1-params": "lp=1"}
BROADCAST = "25 23.976 29.97 59.94"  # what MPEG-1 and -2 know of
FIELDS = "none top bottom"
EVEN = "small tall wide"
LOW = "small odd wide"
H264_IN = "mp4 mov mkv avi ts m2ts mxf flv 3gp asf"
# fmt: off
CODECS = {
    "mpeg1": Codec("mpeg1video", "mpg vob ts m2ts mp4 mov mkv avi asf", "yuv420p", MPEG, 1,
                   BROADCAST, shapes="small tall odd cif"),
    "mpeg2": Codec("mpeg2video", "mpg vob ts m2ts mp4 mov mkv avi mxf asf", "yuv420p yuv422p",
                   MPEG, 1, BROADCAST, FIELDS),
    "mpeg4": Codec("mpeg4", "avi mp4 mov mkv ts m2ts 3gp asf", "yuv420p", MPEG, 1,
                   fields=FIELDS),
    "h264-closed": Codec("libx264", H264_IN, "yuv420p yuv422p gray yuv420p10le", CLOSED, 1,
                         fields=FIELDS, shapes=EVEN),
    "h264-open": Codec("libx264", H264_IN, "yuv420p yuv422p10le", OPEN, 2,
                       fields=FIELDS, shapes=EVEN),
    "h264-444": Codec("libx264", "mp4 mov mkv", "yuv444p", OPEN, 2),
    "hevc": Codec("libx265", "mp4 mov mkv ts m2ts flv",
                  "yuv420p yuv422p gray yuv420p10le yuv422p10le", X265, 2, shapes=EVEN),
    "hevc-444": Codec("libx265", "mp4 mov mkv", "yuv444p", X265, 2),
    "vp8": Codec("libvpx", "webm mkv avi ogg asf", "yuv420p", VPX),
    "vp9": Codec("libvpx-vp9", "webm mkv mp4 avi flv asf", "yuv420p yuv422p yuv444p", VPX),
    "av1": Codec("libsvtav1", "webm mkv mp4 avi flv asf", "yuv420p yuv420p10le", AV1),
    "prores": Codec("prores_ks", "mov mkv mxf", "yuv422p10le yuv444p10le", fields=FIELDS),
    "dnxhr": Codec("dnxhd", "mov mxf", "yuv422p", {"profile": "dnxhr_sq"}, shapes=LOW),
    "dnxhr-hqx": Codec("dnxhd", "mov mxf", "yuv422p10le", {"profile": "dnxhr_hqx"}, shapes=LOW),
    "dnxhr-444": Codec("dnxhd", "mov mxf", "yuv444p10le", {"profile": "dnxhr_444"}, shapes=LOW),
    "mjpeg": Codec("mjpeg", "avi mov mp4 mkv asf", "yuvj420p yuvj422p yuvj444p"),
    "ffv1": Codec("ffv1", "mkv avi mp4 mxf asf", "yuv420p yuv422p10le yuv444p gray gray16le bgr0",
                  fields=FIELDS),
    "dv-pal": Codec("dvvideo", "avi mov mxf asf dv", "yuv420p yuv422p", {}, 0, "25", "bottom",
                    "pal"),
    "dv-ntsc": Codec("dvvideo", "avi mov mxf asf dv", "yuv411p", {}, 0, "29.97", "bottom", "ntsc"),
    "flv1": Codec("flv", "flv avi asf", "yuv420p", PLAIN, shapes="small tall odd"),
    "wmv2": Codec("wmv2", "asf avi", "yuv420p", PLAIN, shapes="small tall"),
    "msmpeg4": Codec("msmpeg4", "avi asf mkv mov", "yuv420p", PLAIN),
    "h263": Codec("h263", "3gp mov avi asf", "yuv420p", PLAIN, shapes="cif"),
    "huffyuv": Codec("huffyuv", "avi asf", "yuv422p rgb24", shapes="small tall"),
    "utvideo": Codec("utvideo", "avi asf", "yuv420p gbrp", shapes="small tall"),
    "jpeg2000": Codec("jpeg2000", "mxf mov mkv mp4 avi asf", "yuv422p10le yuv444p gray"),
    "v210": Codec("v210", "mov avi asf", "yuv422p10le", shapes=EVEN),
    "raw": Codec("rawvideo", "avi mkv asf", "yuv420p", shapes="small tall odd"),
    "svq1": Codec("svq1", "mov avi asf", "yuv410p"),
    "qtrle": Codec("qtrle", "mov", "rgb24 gray", shapes=EVEN),
}
# fmt: on
# Codecs that do not say themselves how wide a pixel is; PyAV lets only MP4's kin say it for them.
SHAPELESS = {"vp8", "vp9", "av1", "dnxhr", "dnxhr-hqx", "dnxhr-444", "prores", "ffv1", "msmpeg4"}
SHAPELESS |= {"jpeg2000", "v210", "svq1"}


@dataclass(frozen=True)
class Film:
    """A film of the matrix: a value of every axis."""

    codec: str
    container: str
    pixels: str
    rate: str
    fields: str
    shape: str
    timing: str
    turn: int

    @property
    def name(self) -> str:
        told = (self.codec, self.pixels, self.rate, self.fields, self.shape, self.timing, self.turn)
        return f"{'-'.join(map(str, told))}.{self.container}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture, before its pixels are made square."""
        size, _ = SHAPES[self.shape]
        return size[::-1] if self.turn in (90, 270) else size

    @property
    def upright(self) -> tuple[int, int]:
        (width, height), sar = SHAPES[self.shape]
        width = round(width * sar)
        return (height, width) if self.turn in (90, 270) else (width, height)

    @property
    def times(self) -> list[Fraction]:
        """Seconds, as they are written."""
        return [Fraction(TIMINGS[self.timing](i, RATES[self.rate])) for i in range(FRAMES)]

    @property
    def answer(self) -> list[tuple[int, Fraction]]:
        """Number of every frame that is to be seen, and its second."""
        into, times = CONTAINERS[self.container], self.times
        delay = Fraction(0)
        if into.shifts:
            sooner = into.preload + CODECS[self.codec].lead / RATES[self.rate] - times[0]
            delay = max(delay, sooner)
        if self.timing == "wrap":
            delay = -WRAP
        shown = enumerate(times)
        if self.timing == "early":
            shown = ((number, time) for number, time in shown if time >= 0)
        return [(number, time + delay) for number, time in shown]

    def write(self, path) -> None:
        codec = CODECS[self.codec]
        numbered_film(
            path,
            [FRAMES],
            size=self.size,
            rate=RATES[self.rate],
            times=self.times,
            codec=codec.encoder,
            pix_fmt=self.pixels,
            options=codec.options,
            rotation=self.turn,
            sar=SHAPES[self.shape][1],
            fields=None if self.fields == "none" else self.fields,
        )


def fits(codec: str, film: dict) -> bool:
    """Whether values can go together; those of axes not given yet do not matter."""
    into = CONTAINERS[film["container"]]
    return (
        film.get("timing", "steady") in into.timings.split()
        and (into.turns or not film.get("turn"))
        and not (film.get("fields", "none") != "none" and film.get("shape") == "odd")
        and not (film.get("shape") == "wide" and codec in SHAPELESS and not into.turns)
        and not (film["container"] == "mxf" and film.get("rate") == "18")
        and not (codec == "mpeg1" and film.get("timing") == "early")  # FFmpeg hides the wrong ones
    )


def meetings() -> Iterator[tuple[str, str, object, list[str]]]:
    """Every codec with every value that it can meet, the axis, and the containers for that."""
    for name, codec in CODECS.items():
        for axis, values in codec.axes().items():
            for value in values:
                among = [value] if axis == "container" else codec.containers.split()
                into = [c for c in among if fits(name, {"container": c, axis: value})]
                if into:
                    yield name, axis, value, into


def matrix() -> Iterator[Film]:
    """The films of the matrix."""
    used: Counter = Counter()
    for name, axis, value, _ in meetings():
        if not used[name, axis, value]:
            yield _with(name, {axis: value}, used)
    for name, axis, value, into in meetings():
        for container in into:
            if not used[container, axis, value]:
                yield _with(name, {"container": container, axis: value}, used)


def pairs(film: Film) -> Iterator[tuple]:
    """What meets in a film: its codec, and its container, with everything else."""
    for axis, value in vars(film).items():
        yield film.codec, axis, value
        yield film.container, axis, value


def _with(name: str, given: dict, used: Counter) -> Film:
    """A film of a codec with the values given and, of other axes, those least used beside it.

    What it uses is counted.
    """
    film = dict(given)
    for axis, values in CODECS[name].axes().items():
        if axis not in given:
            can = [v for v in values if fits(name, {"container": v} | film | {axis: v})]
            beside = film.get("container", name)
            film[axis] = min(can, key=lambda v: (used[name, axis, v], used[beside, axis, v]))
    made = Film(codec=name, **film)
    used.update(pairs(made))
    return made

"""Frames are the right frames, at the right times, in every kind of film."""

import hashlib
import os
from fractions import Fraction

import av
import numpy as np
import psutil
import pytest
from conftest import KINDS, VARIABLE

from lab import video
from lab.sample import numbered_film, read_number
from lab.video import Box, FilmError, Player, Reader, WriteError, Writer


def numbers(frames):
    return [read_number(frame.picture.to_ndarray()) for frame in frames]


def stored_times(path):
    """Every frame's time, straight from the packets, without our reader."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [p.pts for p in container.demux(stream) if p.pts is not None]
        return sorted(pts * stream.time_base for pts in packets)


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_comes_once_in_order_upright(film, kind):
    frames = list(Reader(film(kind), pixels="rgb24"))
    assert numbers(frames) == list(range(96))
    width, height = KINDS[kind].get("size", (320, 192))
    width = round(width * KINDS[kind].get("sar", 1))
    assert {(f.picture.width, f.picture.height) for f in frames} == {(width, height)}


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.endswith(".avi")])
def test_times_are_those_of_the_packets(film, kind):
    assert [frame.time for frame in Reader(film(kind))] == stored_times(film(kind))


def test_avi_without_timestamps_runs_at_its_rate(film):
    times = [frame.time for frame in Reader(film("mpeg4.avi"))]
    assert set(np.diff(times)) == {Fraction(1, 25)}


def test_variable_rate_and_late_start_are_kept(film):
    times = [frame.time for frame in Reader(film("variable.mp4"))]
    assert max(abs(a - b) for a, b in zip(times, VARIABLE, strict=True)) <= Fraction(1, 90000)
    assert next(iter(Reader(film("late.mp4")))).time == 3
    assert video.probe(film("late.mp4")).t0 == 3.0


@pytest.mark.parametrize("kind", KINDS)
def test_reading_from_the_middle_gives_the_frame_on_show(film, kind):
    times = [float(frame.time) for frame in Reader(film(kind))]
    for index in (1, 11, 12, 13, 50, 77, 95):
        for late in (0.0, 0.01):
            reader = iter(Reader(film(kind), pixels="rgb24", start=times[index] + late))
            assert read_number(next(reader).picture.to_ndarray()) == index
            reader.close()


@pytest.mark.long
@pytest.mark.parametrize("name", ["open.mp4", "open.mkv", "closed.mp4"])
def test_seeks_far_into_long_groups_of_pictures_are_exact(tmp_path, name):
    is_open = int(name.startswith("open"))
    options = {"x264-params": f"keyint=90:open-gop={is_open}:bframes=3:scenecut=0"}
    numbered_film(tmp_path / name, [100] * 10, options=options)
    for index in np.random.default_rng(1).integers(0, 1000, 40):
        player = Player(tmp_path / name, float(index / 24), pixels="rgb24")
        for step in (0, 1, 7):
            frame = player.at((index + step) / 24)
            assert read_number(frame.picture.to_ndarray()) == min(index + step, 999)
        player.close()


def test_a_share_of_one_thread_is_one(film):
    """A film that is worked on beside others keeps to its share, and makes no thread a frame."""
    before, counts = psutil.Process().num_threads(), []
    for frame in Reader(film("h264-open.mkv"), size=(64, 48), matrix="bt601", threads=1):
        video.small_rgb(frame.picture, 8, 6)
        counts.append(psutil.Process().num_threads())
    assert len(counts) == 96 and max(counts) <= before


def test_player_holds_the_first_and_the_last_frame(film):
    player = Player(film("late.mp4"), 0.0, pixels="rgb24")
    shown = [read_number(player.at(t).picture.to_ndarray()) for t in (0.0, 2.9, 3.0, 3.05, 99.0)]
    assert shown == [0, 0, 0, 1, 95]


def test_probe_tells_what_the_film_is(film):
    info = video.probe(film("anamorphic.mp4"))
    assert (info.width, info.height, round(info.sar, 3)) == (320, 192, 1.333)
    assert video.probe(film("rotated.mp4")).rotation == 90
    assert video.probe(film("interlaced.mpg")).interlaced
    assert not video.probe(film("mpeg2.mpg")).interlaced
    assert abs(video.probe(film("23976.mp4")).fps - 24000 / 1001) < 1e-3
    assert video.probe(film("rotated.mp4")).has_audio is False
    assert video.probe(film("vp9.webm")).audio_codec in ("opus", "libopus")


def test_crop_and_size_show_the_part_asked_for(tmp_path):
    numbered_film(tmp_path / "a.mp4", (2,), size=(320, 240), bars=(30, 0), options={"crf": "10"})
    box = Box(0, 30 / 240, 1, 210 / 240)
    picture = next(iter(Reader(tmp_path / "a.mp4", crop=box, size=(160, 90), pixels="rgb24")))
    pixels = picture.picture.to_ndarray()
    assert pixels.shape == (90, 160, 3)
    assert pixels[:4].mean() > 40 and pixels[-4:].mean() > 40  # no bar left


def test_colours_survive_reading_writing_and_the_proxy(tmp_path):
    patches = np.zeros((96, 192, 3), np.uint8)
    for column, rgb in enumerate([(200, 30, 30), (30, 180, 40), (40, 60, 200), (128, 128, 128)]):
        patches[:, column * 48 : (column + 1) * 48] = rgb
    frame = av.VideoFrame.from_ndarray(patches, format="rgb24")
    for matrix, name in (("bt709", "ITU709"), ("bt601", "ITU601")):
        path = tmp_path / f"{matrix}.mp4"
        with Writer(path, (192, 96), 25, matrix=matrix, options={"crf": "4"}) as out:
            for index in range(12):
                picture = frame.reformat(format="yuv420p", dst_colorspace=name)
                out.write(picture, Fraction(index, 25))
        read = next(iter(Reader(path, pixels="rgb24"))).picture.to_ndarray()
        centres = np.s_[48, 24::48]
        assert np.abs(read[centres].astype(int) - patches[centres]).max() <= 6
    proxy = video.proxy_frames(tmp_path / "bt601.mp4", [0, 11])
    assert np.abs(proxy[1][centres].astype(int) - patches[centres]).max() <= 6


def audio_packets(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [bytes(p) for p in container.demux(stream) if p.size]


TO_2020 = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
LUMA_2020 = np.array([0.2627, 0.6780, 0.0593])  # ITU-R BT.2020; the matrix above is BT.2087's


def pq(light):
    """SMPTE ST 2084: cd/m2 to signal."""
    power = (light / 10000) ** (2610 / 16384)
    return ((3424 + 2413 * 32 * power) / (4096 + 2392 * 32 * power)) ** (2523 / 32)


def hlg(light):
    """ITU-R BT.2100: cd/m2 of a display of 1000 to signal."""
    luminance = np.maximum(light @ LUMA_2020, 1e-9)[:, None] / 1000
    scene = light / 1000 * luminance ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12,
        np.sqrt(3 * scene),
        0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
    )


def hdr_film(path, light, transfer, code):
    """Patches of light, (n, 3) in cd/m2 and BT.709's primaries, each 32 x 64, lossless."""
    signal = transfer(light @ np.transpose(TO_2020))
    luma = signal @ LUMA_2020
    blue, red = (signal[:, 2] - luma) / 1.8814, (signal[:, 0] - luma) / 1.4746
    planes = 64 + 876 * luma, 512 + 896 * blue, 512 + 896 * red
    picture = av.VideoFrame(32 * len(light), 64, "yuv420p10le")
    for plane, values in zip(picture.planes, planes, strict=True):
        row = np.repeat(np.round(values).astype("<u2"), plane.width // len(light))
        whole = np.zeros((plane.height, plane.line_size // 2), "<u2")
        whole[:, : plane.width] = row
        plane.update(whole.tobytes())
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = picture.width, 64, picture.format.name
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = code, 9, 9
        for k in range(3):
            picture.pts, picture.time_base = k, Fraction(1, 24)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(("transfer", "code"), [(pq, 16), (hlg, 18)])
@pytest.mark.parametrize("shrunk", [1, 2])
def test_light_beyond_a_screen_s_comes_as_a_screen_can_show_it(transfer, code, shrunk, tmp_path):
    """What is darker than paper is as if it were no HDR; highlights keep their differences."""
    dark = np.array([*([grey] * 3 for grey in (0, 1, 10, 50)), [80, 50, 40], [20, 40, 15]])
    light = np.concatenate([dark, 60 * np.eye(3), [[grey] * 3 for grey in (203, 400, 1000)]])
    hdr_film(tmp_path / "hdr.mkv", light, transfer, code)
    size = 32 * len(light) // shrunk, 64 // shrunk
    for frame in Reader(tmp_path / "hdr.mkv", size=size, pixels="rgb24"):
        shown = frame.picture.to_ndarray()[size[1] // 2, 16 // shrunk :: 32 // shrunk].astype(int)
        plain = 255 * (light / 203).clip(0, 1) ** (1 / 2.4)
        assert np.abs(shown - plain)[: len(dark)].max() <= 3
        assert np.abs(shown - plain)[len(dark) : -3].max() <= 16  # pure colours, by a table of 33
        # By hand from BT.2390: paper's 0.773 of the brightest's signal, bent to 0.739.
        assert np.abs(shown[-3:] - [[230], [250], [255]]).max() <= 2


@pytest.mark.parametrize(
    "kind", ["h264-closed.mp4", "h264-open.mp4", "h264-open.mkv", "vp9.webm", "mpeg4.avi"]
)
def test_sound_is_copied_packet_by_packet(film, kind, tmp_path):
    with Writer(tmp_path / "out.mp4", (320, 192), 24, soundtrack=film(kind)) as out:
        for frame in Reader(film(kind)):
            out.write(frame.picture, frame.time)
        assert out.sound_copied
    assert audio_packets(tmp_path / "out.mp4") == audio_packets(film(kind))


def test_adts_headers_go_and_nothing_else(film, tmp_path):
    with Writer(tmp_path / "out.mp4", (320, 192), 25, soundtrack=film("h264.ts")) as out:
        for frame in Reader(film("h264.ts")):
            out.write(frame.picture, frame.time)
        assert out.sound_copied
    assert audio_packets(tmp_path / "out.mp4") == [p[7:] for p in audio_packets(film("h264.ts"))]


@pytest.mark.parametrize("kind", ["mpeg2.mpg", "2997.mov", "prores.mov"])
def test_other_sound_becomes_aac_in_step(film, kind, tmp_path):
    first = next(iter(Reader(film(kind)))).time
    with Writer(tmp_path / "out.mp4", (320, 192), 24, soundtrack=film(kind), t0=first) as out:
        for frame in Reader(film(kind)):
            out.write(frame.picture, frame.time - first)
        assert out.sound_copied is False
    ours, theirs = pitches(tmp_path / "out.mp4", 0), pitches(film(kind), float(first))
    assert len(ours) >= 3 and ours == theirs[: len(ours)]


def pitches(path, t0):
    """The tone in the middle of every second after `t0`, in steps of 55 Hz."""
    samples, rate, begin = [], 48000, None
    with av.open(str(path)) as container:
        resample = av.AudioResampler("flt", "mono", rate)
        for frame in container.decode(audio=0):
            begin = frame.time if begin is None else begin
            samples += [piece.to_ndarray()[0] for piece in resample.resample(frame)]
    wave = np.concatenate(samples)
    found = []
    for second in range(3):
        at = int((second + 0.4 + t0 - begin) * rate)
        spectrum = np.abs(np.fft.rfft(wave[at : at + 9600]))
        found.append(round((np.argmax(spectrum) * 5 - 220) / 55))
    return found


def test_a_file_appears_only_when_complete(tmp_path, film):
    with pytest.raises(ZeroDivisionError), Writer(tmp_path / "out.mp4", (320, 192), 24) as out:
        out.write(next(iter(Reader(film("rotated.mp4"), size=(320, 192)))).picture, 0)
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_proxies_are_read_right_by_index(film, tmp_path):
    path = tmp_path / "proxy.mp4"
    with Writer(path, (320, 192), 24, matrix="bt601", options={"g": "12", "bf": "0"}) as out:
        for frame in Reader(film("variable.mp4"), size=(320, 192), matrix="bt601"):
            out.write(frame.picture, frame.time)
    shown = video.proxy_frames(path, [95, 0, 13, 13, 60])
    assert [read_number(picture) for picture in shown] == [95, 0, 13, 13, 60]


@pytest.mark.parametrize("shape", [(1920, 1080), (576, 1024), (176, 144), (50, 700), (719, 405)])
def test_proxy_sizes_suit_decord(shape):
    width, height = video.proxy_size(*shape)
    assert width % 16 == 0 and height % 16 == 0 and min(width, height) >= 64


def test_bad_films_are_named_with_their_cause(tmp_path, film):
    text = tmp_path / "text.mp4"
    text.write_text("no film\n" * 1000)
    (tmp_path / "text.txt").write_text("no film\n" * 1000)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "half.mp4").write_bytes(film("h264-closed.mp4").read_bytes()[:9000])
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    with av.open(str(tmp_path / "sound.mp4"), "w") as out, av.open(str(film("late.mp4"))) as source:
        track = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = track
                out.mux(packet)
    cases = {
        "text.mp4": "is a text, not a film",
        "half.mp4": "is cut off",
        "noise.mp4": "is not a film that can be read",
        "text.txt": "is a text",
        "empty.mp4": "empty",
        "folder.mp4": "folder",
        "sound.mp4": "no video",
        "nowhere.mp4": "does not exist",
    }
    for name, cause in cases.items():
        for attempt in (video.probe, lambda path: list(Reader(path))):
            with pytest.raises(FilmError) as caught:
                attempt(tmp_path / name)
            assert name in str(caught.value) and cause in str(caught.value)


def test_a_film_that_breaks_off_gives_what_it_holds(film, tmp_path):
    whole = film("h264-open.mkv").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    found = numbers(Reader(cut, pixels="rgb24"))
    assert 20 < len(found) < 96
    assert found[:20] == list(range(20))


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, film):
    with (
        pytest.raises(WriteError, match="nowhere"),
        Writer(tmp_path / "nowhere" / "out.mp4", (320, 192), 24) as out,
    ):
        for frame in Reader(film("h264-closed.mp4")):
            out.write(frame.picture, frame.time)


def test_films_are_never_written_to(film):
    before = hashlib.sha256(film("h264-closed.mp4").read_bytes()).digest()
    list(Reader(film("h264-closed.mp4")))
    video.probe(film("h264-closed.mp4"))
    assert hashlib.sha256(film("h264-closed.mp4").read_bytes()).digest() == before


def test_an_excerpt_begins_on_a_key_frame_and_keeps_its_sound(film, tmp_path):
    video.excerpt(film("h264-closed.mp4"), tmp_path / "part.mp4", 1.0, 3.0)
    frames = list(Reader(tmp_path / "part.mp4", pixels="rgb24"))
    assert numbers(frames) == list(range(24, 72))
    assert frames[0].time == 0
    whole, part = audio_packets(film("h264-closed.mp4")), audio_packets(tmp_path / "part.mp4")
    begin = whole.index(part[0])
    assert part == whole[begin : begin + len(part)] and 90 <= len(part) <= 97
